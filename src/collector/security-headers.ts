/** Span contents come from anyone who can reach the port: the page may run and load nothing but its own files. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** For every answer, whatever it is: what a browser is shown of it must not run, nor be taken for something else. */
export function addSecurityHeaders(headers: Headers): void {
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
}
