# One image for every role: `tact serve --role ...`.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package tact --bin tact

# Neither a shell nor a package manager: `tact healthcheck` asks the server whether it is ready.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/tact /usr/local/bin/tact
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/tact"]
CMD ["serve"]
