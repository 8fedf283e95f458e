/** The token of the page's own URL (`?token=…`), which everything that the page asks for carries on. */
const token = new URLSearchParams(location.search).get('token');

export const withToken = (url: string): string =>
  token === null ? url : `${url}${url.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
