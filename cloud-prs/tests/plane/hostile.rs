//! What is not allowed costs the one who did it, and nobody else.
