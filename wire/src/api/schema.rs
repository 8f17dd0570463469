//! How the types with a text form look in the OpenAPI description.
#![cfg(feature = "openapi")]

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::Secret;
use crate::grant::HostAddress;
use crate::id;
use crate::key::PublicKey;
use crate::reason::Reason;
use crate::ticket::Ticket;

/// A text in words, optionally with a pattern.
fn text(description: &str, pattern: Option<&str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(description))
        .pattern(pattern)
        .into()
}

macro_rules! texts {
    ($($name:ty: $description:literal $pattern:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($description, $pattern)
            }
        }
        impl ToSchema for $name {}
    )*};
}

texts! {
    id::CustomerId: "id of a customer" Some("^[a-z2-7]{26}$");
    id::SiteId: "id of a site" Some("^[a-z2-7]{26}$");
    id::HostId: "id of a host" Some("^[a-z2-7]{26}$");
    id::GatewayId: "id of a gateway" Some("^[a-z2-7]{26}$");
    id::UserId: "id of a person" Some("^[a-z2-7]{26}$");
    id::SessionId: "id of a session" Some("^[a-z2-7]{26}$");
    id::ClaimId: "id of a claim code" Some("^[a-z2-7]{26}$");
    id::TeamId: "id of a team" Some("^[a-z2-7]{26}$");
    id::AssignmentId: "id of an assignment" Some("^[a-z2-7]{26}$");
    id::InvitationId: "id of an invitation" Some("^[a-z2-7]{26}$");
    id::PasskeyId: "id of a passkey" Some("^[a-z2-7]{26}$");
    id::TokenId: "id of a token" Some("^[a-z2-7]{26}$");
    id::WebhookId: "id of a webhook" Some("^[a-z2-7]{26}$");
    id::HandOverId: "id of a hand-over" Some("^[a-z2-7]{26}$");
    PublicKey: "Ed25519 public key, base32" Some("^[a-z2-7]{52}$");
    Ticket: "one-time ticket, base32" Some("^[a-z2-7]{52}$");
    HostAddress: "IP address or DNS name" None;
    Reason: "reason code" Some("^[a-z_]+$");
}

impl PartialSchema for Secret {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .into()
    }
}

impl ToSchema for Secret {}
