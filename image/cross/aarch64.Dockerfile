# Pinned to the tag that belongs to cross 0.2.5; the image holds the musl cross
# compiler for ring's C parts.
FROM ghcr.io/cross-rs/aarch64-unknown-linux-musl:0.2.5
