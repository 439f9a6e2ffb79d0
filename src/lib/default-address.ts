/** Port of a link. In a cluster its Service listens on 80. */
export const LINK_PORT = 8000;

/** Port of Zipkin and of our collector, which can replace it. In a cluster its Service listens on 80. */
export const ZIPKIN_PORT = 9411;

/** URL of the Zipkin or collector on this machine, for commands that get no other. */
export const ZIPKIN_URL = `http://localhost:${ZIPKIN_PORT}`;
