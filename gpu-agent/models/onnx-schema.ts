import protobuf from "protobufjs/light.js";

/**
 * The part of ONNX's protobuf schema that is written and inspected here (field numbers from onnx/onnx.proto, IR 8).
 * Fields that are left out are skipped when reading, so that a hostile file cannot make us build arrays of them.
 */
const field = (id: number, type: string) => ({ id, type });
const list = (id: number, type: string) => ({ id, type, rule: "repeated" });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: field(1, "int64"),
        producerName: field(2, "string"),
        graph: field(7, "GraphProto"),
        opsetImport: list(8, "OperatorSetIdProto"),
        functions: list(25, "FunctionProto"),
      },
    },
    OperatorSetIdProto: { fields: { domain: field(1, "string"), version: field(2, "int64") } },
    FunctionProto: { fields: { node: list(7, "NodeProto") } },
    GraphProto: {
      fields: {
        node: list(1, "NodeProto"),
        name: field(2, "string"),
        initializer: list(5, "TensorProto"),
        input: list(11, "ValueInfoProto"),
        output: list(12, "ValueInfoProto"),
        sparseInitializer: list(15, "SparseTensorProto"),
      },
    },
    NodeProto: {
      fields: {
        input: list(1, "string"),
        output: list(2, "string"),
        name: field(3, "string"),
        opType: field(4, "string"),
        attribute: list(5, "AttributeProto"),
        domain: field(7, "string"),
      },
    },
    AttributeProto: {
      fields: {
        name: field(1, "string"),
        f: field(2, "float"),
        i: field(3, "int64"),
        s: field(4, "bytes"),
        t: field(5, "TensorProto"),
        g: field(6, "GraphProto"),
        ints: list(8, "int64"),
        tensors: list(10, "TensorProto"),
        graphs: list(11, "GraphProto"),
        type: field(20, "int32"),
        sparseTensor: field(22, "SparseTensorProto"),
        sparseTensors: list(23, "SparseTensorProto"),
      },
    },
    TensorProto: {
      fields: {
        dims: list(1, "int64"),
        dataType: field(2, "int32"),
        name: field(8, "string"),
        rawData: field(9, "bytes"),
        externalData: list(13, "StringStringEntryProto"),
        dataLocation: field(14, "int32"),
      },
    },
    SparseTensorProto: { fields: { values: field(1, "TensorProto"), indices: field(2, "TensorProto") } },
    StringStringEntryProto: { fields: { key: field(1, "string"), value: field(2, "string") } },
    ValueInfoProto: { fields: { name: field(1, "string"), type: field(2, "TypeProto") } },
    TypeProto: { fields: { tensorType: field(1, "TensorTypeProto") } },
    TensorTypeProto: { fields: { elemType: field(1, "int32"), shape: field(2, "TensorShapeProto") } },
    TensorShapeProto: { fields: { dim: list(1, "DimensionProto") } },
    DimensionProto: { fields: { dimValue: field(1, "int64"), dimParam: field(2, "string") } },
  },
});

/** The type of a whole `.onnx` file. */
export const ModelProto = root.lookupType("ModelProto");

/** TensorProto.DataType, as far as used. */
export const DATA_TYPE = { float32: 1, int64: 7 } as const;

/** AttributeProto.AttributeType, as far as used. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;
