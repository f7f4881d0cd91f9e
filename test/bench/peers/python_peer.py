"""A plain Python loop as a peer: onnxruntime, NumPy and Pillow, tile by tile, with the ONNX file PhotoKeep converted.

    python_peer.py MODEL.onnx THREADS

One line of JSON on stdin is one request, one on file descriptor 3 its answer (peer-protocol.ts).
"""

import json
import os
import sys
import time

import numpy as np
import onnxruntime
import PIL
from PIL import Image

SCALE = 4


def spans(axis):
    """Per tile: its start, and the part of the picture it shows, with the lengths of its fades."""
    starts, fades, blend = axis["starts"], axis["fades"], axis["blend"]
    for index, start in enumerate(starts):
        first = fades[index - 1] if index > 0 else 0
        last = fades[index] + blend if index < len(fades) else axis["length"]
        yield start, first, last, blend if index > 0 else 0, blend if index < len(fades) else 0


def ramp(first, last, fade_in, fade_out):
    """Linear weights along one axis, of the enlarged picture; those of two neighbours sum to 1."""
    weights = np.ones((last - first) * SCALE, np.float32)
    if fade_in:
        count = fade_in * SCALE
        weights[:count] = (np.arange(count, dtype=np.float32) + 0.5) / count
    if fade_out:
        count = fade_out * SCALE
        weights[-count:] = 1 - (np.arange(count, dtype=np.float32) + 0.5) / count
    return weights


def upscale(session, picture, plan):
    height, width = picture.shape[:2]
    result = np.zeros((height * SCALE, width * SCALE, 3), np.float32)
    tile_height, tile_width = plan["y"]["tile"], plan["x"]["tile"]
    for y, top, bottom, in_y, out_y in spans(plan["y"]):
        down = ramp(top, bottom, in_y, out_y)[:, None, None]
        for x, left, right, in_x, out_x in spans(plan["x"]):
            tile = picture[y : y + tile_height, x : x + tile_width].astype(np.float32) / 255
            (answer,) = session.run(None, {"input": tile.transpose(2, 0, 1)[None]})
            part = answer[0, :, (top - y) * SCALE : (bottom - y) * SCALE, (left - x) * SCALE : (right - x) * SCALE]
            across = ramp(left, right, in_x, out_x)[None, :, None]
            result[top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] += part.transpose(1, 2, 0) * (down * across)
    # In place: a copy of an enlarged photograph as floats takes hundreds of megabytes.
    np.clip(result, 0, 1, out=result)
    result *= 255
    np.rint(result, out=result)
    return result.astype(np.uint8)


def main():
    model, threads = sys.argv[1], int(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    answers = os.fdopen(3, "w", buffering=1)
    versions = f"onnxruntime {onnxruntime.__version__}, NumPy {np.__version__}, Pillow {PIL.__version__}"
    print(json.dumps({"name": f"Python {sys.version.split()[0]}: {versions}"}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            since = time.perf_counter()
            with Image.open(request["input"]) as image:
                picture = np.asarray(image.convert("RGB"))
            result = upscale(session, picture, request["plan"])
            Image.fromarray(result).save(request["output"])
            print(json.dumps({"seconds": time.perf_counter() - since}), file=answers)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)


main()
