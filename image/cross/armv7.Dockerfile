# Pinned to the tag that belongs to cross 0.2.5. A static glibc, as with
# `image/toolchain armhf`, but an older one (Cross.toml says what that costs).
FROM ghcr.io/cross-rs/armv7-unknown-linux-gnueabihf:0.2.5
ENV CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUSTFLAGS="-C target-feature=+crt-static"
