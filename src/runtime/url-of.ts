/** Where something listens, as a URL without a path. */
export const urlOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
