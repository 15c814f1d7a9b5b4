export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** By their names as they are to be written. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The bytes of a request over HTTP/1.1 on a connection that is kept. */
export function requestBytes(
  { method, path, headers, body }: HttpRequest,
  { host, port }: { readonly host: string; readonly port: number },
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (!("host" in headers)) lines.unshift(`Host: ${host.includes(":") ? `[${host}]` : host}:${port}\r\n`);
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`);
}
