# One image for every role: `tact serve --role ...`.
FROM rust:1.95-slim-bookworm AS build
# The image's own, as it is: rust-toolchain.toml asks for tools that only developers need, and rustup would fetch them.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package tact --bin tact

# Neither a shell nor a package manager: `tact healthcheck` asks the server whether it is ready.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/tact /usr/local/bin/tact
# From outside the container, nobody reaches its loopback.
ENV TACT_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/tact"]
CMD ["serve"]
