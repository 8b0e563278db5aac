# The server as an image:
#
#   docker build --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" -t tplus .
#   docker run --rm -v tplus-data:/var/lib/tplus -v "$PWD/tplus.toml:/etc/tplus/tplus.toml:ro" -p 50051:50051 tplus --config /etc/tplus/tplus.toml
#
# By itself the server listens to its own machine alone, which is the container: tplus.toml says where it listens and how connections are
# encrypted (deploy/systemd/tplus.toml is one to begin with).
#
# The images are named by tag, since a digest is of one platform and one day. For a build that is the same next year give both with
# the digests that your registry shows: --build-arg RUST=rust:…@sha256:… --build-arg BASE=debian:…@sha256:…
ARG RUST=rust:1.95.0-slim-bookworm
ARG BASE=debian:bookworm-slim

FROM ${RUST} AS build
WORKDIR /src
# What is compiled in depends on the sources alone: neither on the folder nor on the time.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/src=tplus --remap-path-prefix=/usr/local/cargo=cargo"
# .dockerignore lets in nothing but what is compiled.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tplus \
    && strip --strip-debug target/release/tplus \
    && install -D -m 0755 target/release/tplus /out/usr/local/bin/tplus \
    && install -d -m 0700 /out/var/lib/tplus \
    && find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE}
LABEL org.opencontainers.image.title="tplus" \
      org.opencontainers.image.description="A settlement engine for marketplaces: T+2 or T+7, decided and remembered" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build --chown=10001:10001 /out/var/lib/tplus /var/lib/tplus
COPY --from=build /out/usr/local/bin/tplus /usr/local/bin/tplus
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
ENV TPLUS_DATA_DIR=/var/lib/tplus
VOLUME /var/lib/tplus
EXPOSE 50051 9464
# SIGTERM drains: calls under way are answered, within server.drain_deadline.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/tplus"]
CMD ["serve"]
