//! The served server: real TLS, real links, the real relay and database.
