/** The part of `node:net` that the span decoder uses. The bundler provides it in browsers. */
declare module "node:net" {
  export function isIP(text: string): number;
  export function isIPv4(text: string): boolean;
  export function isIPv6(text: string): boolean;
}
