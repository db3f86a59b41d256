// The server's API: answers as data, errors as exceptions with the server's own words.

const PREFIX = "/api/v1/";

export class ApiError extends Error {
  constructor(status, errors) {
    super(errors.map((error) => error.message).join("\n") || `the server answered ${status}`);
    this.status = status;
    this.errors = errors;
  }
}

/** Return the address of something below the API, with a query. */
export function address(path, query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) {
      if (each !== undefined && each !== null && each !== "") parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return PREFIX + path + (text ? `?${text}` : "");
}

async function answerOf(response) {
  if (response.status === 401) location.assign("/login");
  if (response.ok) return response;
  let errors = [];
  try {
    errors = (await response.json()).errors ?? [];
  } catch {
    // a proxy's page, or nothing
  }
  throw new ApiError(response.status, errors);
}

async function ask(path, options, query) {
  let response;
  try {
    response = await fetch(address(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, [{ message: "the server does not answer; is rushes web running?" }]);
  }
  return answerOf(response);
}

export async function get(path, query, options = {}) {
  return (await ask(path, options, query)).json();
}

export async function getText(path, query) {
  return (await ask(path, {}, query)).text();
}

function send(path, body, options) {
  const headers = { "content-type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), ...options });
}

export async function post(path, body, options = {}) {
  return (await send(path, body, options)).json();
}

/** Post what is answered with a file, and return that as a blob. */
export async function postForBlob(path, body, options = {}) {
  return (await send(path, body, options)).blob();
}

/** Send a file; the answer has the hash by which requests name it. */
export async function upload(file) {
  return (await ask("uploads", { method: "PUT", body: file }, { name: file.name })).json();
}

/** Return the last frame of a running job as a blob and its tag; null while there is no other. */
export async function preview(job, tag, signal) {
  const headers = tag ? { "if-none-match": tag } : {};
  const response = await fetch(address(`preview/${job}`), { headers, signal, cache: "no-store" });
  if (response.status === 304) return null;
  await answerOf(response);
  return { blob: await response.blob(), tag: response.headers.get("etag") };
}
