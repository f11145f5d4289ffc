// Features of files that are dropped: .npy, .json and .csv are read here; a clip goes to the server, which extracts them.

import { ask } from "./api.js";

const CLIP = /\.(mp4|mkv|webm|mov|avi|gif|m4v|wav|mp3|m4a|flac|ogg|opus|aac|jpe?g|png|webp|bmp)$/i;
const MOST_CLIP = 256 * 2 ** 20;

export const isClip = (file) => CLIP.test(file.name);

// { features: numbers by modality, problems: reasons by modality }
export async function readClip(file, { model, title }) {
  if (file.size > MOST_CLIP) throw new Error(`${file.name} is larger than 256 MiB.`);
  return ask("/api/clip", { model, name: file.name, title }, { body: file });
}

export async function readFeatures(file) {
  if (file.size > 4 * 2 ** 20) throw new Error(`${file.name} is larger than 4 MiB; expected the features of one video.`);
  const name = file.name.replace(/\.(npy|json|csv|txt)$/i, "");
  if (/\.npy$/i.test(file.name)) return { [name]: readNpy(new DataView(await file.arrayBuffer()), file.name) };
  const text = await file.text();
  if (/\.json$/i.test(file.name)) {
    let content;
    try {
      content = JSON.parse(text);
    } catch {
      throw new Error(`${file.name} is not JSON.`);
    }
    if (Array.isArray(content)) return { [name]: numbers(content, file.name) };
    return Object.fromEntries(Object.entries(content).map(([modality, values]) => [modality, numbers(values, file.name)]));
  }
  return { [name]: numbers(text.split(/[\s,;]+/).filter(Boolean).map(Number), file.name) };
}

function numbers(values, name) {
  if (!Array.isArray(values) || !values.length || !values.every((value) => typeof value === "number" && Number.isFinite(value))) throw new Error(`${name} is not a list of finite numbers.`);
  return values;
}

function readNpy(view, name) {
  const magic = String.fromCharCode(...new Uint8Array(view.buffer, 0, Math.min(6, view.byteLength)));
  if (magic !== "\x93NUMPY") throw new Error(`${name} is not a .npy file.`);
  const long = view.getUint8(6) > 1;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = new TextDecoder("latin1").decode(new Uint8Array(view.buffer, long ? 12 : 10, length));
  const type = header.match(/'descr':\s*'([<|=]?)([fiu][1248])'/)?.[2];
  const shape = (header.match(/'shape':\s*\(([^)]*)\)/)?.[1] ?? "").split(",").map((size) => size.trim()).filter(Boolean).map(Number);
  const read = {
    f8: (at) => view.getFloat64(at, true),
    f4: (at) => view.getFloat32(at, true),
    f2: (at) => half(view.getUint16(at, true)),
    i1: (at) => view.getInt8(at),
    u1: (at) => view.getUint8(at),
    i2: (at) => view.getInt16(at, true),
    u2: (at) => view.getUint16(at, true),
    i4: (at) => view.getInt32(at, true),
    u4: (at) => view.getUint32(at, true),
  }[type];
  if (!read) throw new Error(`${name} has numbers of another kind; expected float32, as numpy.save writes them.`);
  const width = shape.at(-1) ?? 0;
  if (shape.length > 2 || (shape.length === 2 && shape[0] !== 1)) throw new Error(`${name} has the shape [${shape}], expected the features of one video: [width] or [1, width].`);
  const size = Number(type[1]);
  return numbers(Array.from({ length: width }, (_, at) => read(start + at * size)), name);
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
