/** The model that the stand-in is taken for: its entry of the catalogue says how it is run. */
export const STAND_IN_FOR = "esrgan-thick";
/** The stand-in's file, in the stack's first folder of extra models. */
export const STAND_IN_FILE = "stand-in.onnx";
