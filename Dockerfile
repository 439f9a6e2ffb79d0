# docker build -t chain-link .
#   builds everything; needs a network. Other platforms: docker buildx build --platform linux/amd64,linux/arm64 .
# npm run build && docker build --build-arg EXECUTABLE=prebuilt -t chain-link .
#   takes the executable from dist/chain-link-<arch>; no step of it runs anything.
ARG EXECUTABLE=build

FROM --platform=$BUILDPLATFORM docker.io/library/node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# With what the page is made of.
RUN npm ci --no-fund --no-audit
COPY . .
# Here, so that what comes before is done once for all platforms.
ARG TARGETARCH
RUN npm run build -- --arch "$TARGETARCH" --outfile /chain-link

FROM scratch AS prebuilt
ARG TARGETARCH
COPY dist/chain-link-$TARGETARCH /chain-link

FROM $EXECUTABLE AS executable

# glibc, certificates and nothing to run besides; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="chain-link" \
      org.opencontainers.image.description="A traced service of a chain or call graph, and the load generator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/chain-link-dev/chain-link"
COPY --from=executable /chain-link /usr/local/bin/chain-link
# The heap would grow by the machine's memory, to several times of what is used.
# A Service that is made anew has another address: it would be remembered for 30 s.
ENV BUN_JSC_forceRAMSize=268435456 \
    BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS=5 \
    HOME=/tmp
# The numbers as the original's; a kubelet cannot tell a name from root.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/chain-link"]
# What it runs by itself is a link, as in the original.
CMD ["link"]
