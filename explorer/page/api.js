// Questions to the server of this page.

export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const GONE = "The explorer does not answer. Is tf-metammf explore still running?";

export function addressOf(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "" && each !== false) query.append(name, each === true ? "1" : each);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function answer(path, parameters, { signal, body } = {}) {
  const file = body instanceof Blob;
  const type = file ? "application/octet-stream" : "application/json";
  const request = body
    ? { method: "POST", headers: { "Content-Type": type }, body: file ? body : JSON.stringify(body), signal }
    : { signal };
  let response;
  try {
    response = await fetch(addressOf(path, parameters), request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(GONE, 0);
  }
  if (response.ok) return response;
  const found = await response.json().catch(() => ({}));
  throw new Problem(found.error || `The server answered ${response.status}.`, response.status);
}

export const ask = async (path, parameters, options) => (await answer(path, parameters, options)).json();

export const askBytes = async (path, parameters, options) => (await answer(path, parameters, options)).arrayBuffer();

// Asks until something that is computed aside is there; `waiting` is told the share that is done.
export async function askUntilThere(path, parameters, { signal, waiting }) {
  for (let pause = 150; ; pause = Math.min(1000, pause * 1.4)) {
    const found = await ask(path, parameters, { signal });
    if (found.error) throw new Problem(found.error, 200);
    if (!("progress" in found)) return found;
    waiting(found.progress);
    await new Promise((done, failed) => {
      const timer = setTimeout(done, pause);
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        failed(new DOMException("", "AbortError"));
      });
    });
  }
}
