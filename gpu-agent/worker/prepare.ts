import { join } from "node:path";
import { argv } from "node:process";
import { InferenceSession } from "onnxruntime-node";

/**
 * A short-lived process: optimises one model for this processor and writes graph and weights apart, so that loading it
 * later costs milliseconds and its memory comes back on release. A process of its own, because only its end gives back
 * what the optimiser took.
 *
 *   node prepare.ts SOURCE.onnx FOLDER GRAPH_FILE WEIGHTS_FILE
 *
 * Exit code 0, or 1 with the runtime's words on stderr.
 */
const [source, folder, graphFile, weightsFile] = argv.slice(2);
if (source === undefined || folder === undefined || graphFile === undefined || weightsFile === undefined) {
  console.error("usage: prepare.ts SOURCE FOLDER GRAPH_FILE WEIGHTS_FILE");
  process.exit(1);
}

try {
  const session = await InferenceSession.create(source, {
    graphOptimizationLevel: "all",
    optimizedModelFilePath: join(folder, graphFile),
    // Errors only: exporters leave warnings by the hundred.
    logSeverityLevel: 3,
    extra: {
      session: {
        optimized_model_external_initializers_file_name: weightsFile,
        optimized_model_external_initializers_min_size_in_bytes: "1024",
        disable_prepacking: "1",
      },
    },
  });
  await session.release();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
