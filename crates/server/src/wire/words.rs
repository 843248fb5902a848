//! What the API document says of words and texts: closed sets by their names and values, which come
//! from the domain, so that the two cannot differ, and texts with their bounds.
//!
//! Nothing of these types exists at run time. A field names one as its `value_type`.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Types without values, each a closed set of words.
macro_rules! words {
    ($($name:ident, $about:literal, $values:expr;)+) => {$(
        #[doc = $about]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let values = $values.iter().map(|value| value.as_str());
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values));
                words.description(Some($about)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

words!(
    TokenRole, "What a token lets its bearer do.", ledger::Role::OF_TOKENS;
    KeyStatus, "A key's status; `expired` from its due time on.", keys::Status::ALL;
    KeyKind, "Whether a key must be kept secret.", keys::Kind::ALL;
    Environment, "What a key works on: real data, or test data.", keys::Environment::ALL;
    Dialect, "The API that something was asked for through; `native` is this one.", keys::Dialect::ALL;
    EventType, "What happened.", keys::EventKind::ALL;
    ReasonCode, "Why a key was revoked.", keys::ReasonCode::ALL;
    VerifyCode, "Whether a key may be used, and if not, the first reason that holds.", keys::Verdict::ALL;
    QuotaPeriod, "The time that a quota is for; days and months are those of UTC.", keys::QuotaPeriod::ALL;
    RoleHeld, "What a caller might do: the role of its token, or of a key that calls for itself.", ledger::Role::ALL;
    Reading, "What part of the trail was read.", ledger::Reading::ALL;
    WebhookStatus, "Whether a webhook's receiver takes messages: `failing` is one that was given up.",
        delivery::StatusKind::ALL;
    DeliveryOutcome, "How an attempt to deliver ended.", delivery::OutcomeKind::ALL;
);

/// Types without values, each a closed set of words that is written here.
macro_rules! choices {
    ($($name:ident, $about:literal, $values:expr;)+) => {$(
        #[doc = $about]
        pub(crate) enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = utoipa::openapi::ObjectBuilder::new();
                let words = words.schema_type(utoipa::openapi::Type::String);
                words.enum_values(Some($values)).description(Some($about)).into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}
pub(crate) use choices;

choices!(
    UsageStep, "What one item stands for, from its beginning on (UTC).", ["hour", "day"];
    WebhookEvent, "What a message of a webhook is about: an event, or a key that falls due.",
        crate::webhooks::EventKinds::words();
    Order, "`asc` is oldest first, `desc` newest first.", ["asc", "desc"];
    Direction, "`asc` is the least first, `desc` the greatest.", ["asc", "desc"];
    KeySort, "What keys are sorted by.", ["created_at", "expires_at", "name", "last_used_at"];
    TotalIs, "`exact`, or `at_least` if there are more keys than one answer looks at.",
        ["exact", "at_least"];
    ReadAccess, "A part of the trail was read.", ["read"];
    SubjectAccess, "What became of a person.",
        ["subject_held", "subject_released", "subject_erased"];
    TokenAccess, "What became of a token of the service's own.", ["token_made", "token_seen", "token_ended"];
    TokensAccess, "Tokens were ended together.", ["tokens_ended"];
    Alive, "What the service says of itself.", ["ok", "ready"];
);

/// Types without values, each a text of so many characters that match a pattern.
macro_rules! texts {
    ($($name:ident, $about:literal, $min:literal, $max:literal, $pattern:expr;)+) => {$(
        #[doc = $about]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                let text = text.min_length(Some($min)).max_length(Some($max));
                text.pattern($pattern).description(Some($about)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

texts!(
    GrantedPermission, "`area.action`, `*` allowed as the last part, or `*` for all.", 1, 128,
        Some(r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.(\*|[A-Za-z0-9_-]+))$");
    AskedPermission, "A permission, or the one word of a dialect's key (`read`).", 1, 128,
        Some(r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$");
    RoleName, "A role: letters, digits, `-`, `_`, `.` and `:`.", 1, 64,
        Some("^[A-Za-z0-9._:-]+$");
    Tag, "A tag: letters, digits, `-`, `_`, `.` and `:`.", 1, 64,
        Some("^[A-Za-z0-9._:-]+$");
    Moment, "A time (RFC 3339), or the place right after a record (`seq:N`).", 5, 64, None::<String>;
    AddressOrNetwork, "An IP address, or a network in CIDR notation.", 2, 49, None::<String>;
    Cursor, "Where the next page begins: taken from the page before, opaque.", 1, 1500,
        Some("^[A-Za-z0-9_-]+$");
);

/// The caller's own pairs, as an edit sets them and takes them out.
pub(crate) enum MetadataPatch {}

impl PartialSchema for MetadataPatch {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Null]);
        let value = ObjectBuilder::new().schema_type(types).build();
        let pairs = ObjectBuilder::new().additional_properties(Some(Schema::from(value)));
        pairs.description(Some("Pairs of strings; null takes one out.")).into()
    }
}

impl ToSchema for MetadataPatch {
    fn name() -> Cow<'static, str> {
        "MetadataPatch".into()
    }
}

/// A text, or a list of texts.
pub(crate) enum OneOrMore {}

impl PartialSchema for OneOrMore {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let list = ArrayBuilder::new().items(text()).max_items(Some(keys::Tags::MAX));
        OneOfBuilder::new().item(text()).item(list).description(Some("One, or several.")).into()
    }
}

impl ToSchema for OneOrMore {
    fn name() -> Cow<'static, str> {
        "OneOrMore".into()
    }
}

/// How often verify answered with each code.
pub(crate) enum VerifyCounts {}

impl PartialSchema for VerifyCounts {
    fn schema() -> RefOr<Schema> {
        let count = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
        let counts = ObjectBuilder::new().additional_properties(Some(Schema::from(count)));
        let codes = keys::Verdict::ALL.iter().map(|code| code.as_str());
        let names = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).build();
        let counts = counts.property_names(Some(Schema::from(names)));
        counts
            .description(Some("How often verify answered with each code; not at all if missing."))
            .into()
    }
}

impl ToSchema for VerifyCounts {
    fn name() -> Cow<'static, str> {
        "VerifyCounts".into()
    }
}

/// What a use of a key needs.
pub(crate) enum NeededPermission {}

impl PartialSchema for NeededPermission {
    fn schema() -> RefOr<Schema> {
        let list = |name: &str| {
            let parts = ArrayBuilder::new().items(Ref::from_schema_name(NeededPermission::name()));
            let most = Some(keys::Requirement::MAX_PERMISSIONS);
            let object =
                ObjectBuilder::new().property(name, parts.min_items(Some(1)).max_items(most));
            object.required(name).additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        OneOfBuilder::new()
            .item(Ref::from_schema_name(AskedPermission::name()))
            .item(list("all"))
            .item(list("any"))
            .description(Some(
                "A permission, or lists of which all or any are needed: at most 3 deep, with at most \
                 64 permissions in all.",
            ))
            .into()
    }
}

impl ToSchema for NeededPermission {
    fn name() -> Cow<'static, str> {
        "NeededPermission".into()
    }
}

/// One role of a token, or a list of them.
pub(crate) enum TokenRoles {}

impl PartialSchema for TokenRoles {
    fn schema() -> RefOr<Schema> {
        let role = || Ref::from_schema_name(TokenRole::name());
        let list = ArrayBuilder::new().items(role()).min_items(Some(1));
        OneOfBuilder::new().item(role()).item(list).into()
    }
}

impl ToSchema for TokenRoles {
    fn name() -> Cow<'static, str> {
        "TokenRoles".into()
    }
}

/// The caller's own pairs.
pub(crate) enum Metadata {}

impl PartialSchema for Metadata {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new().schema_type(Type::String).build();
        let pairs = ObjectBuilder::new().additional_properties(Some(Schema::from(value)));
        let pairs = pairs.max_properties(Some(keys::Metadata::MAX_PAIRS));
        pairs.description(Some("Pairs of strings, at most 4096 bytes together.")).into()
    }
}

impl ToSchema for Metadata {
    fn name() -> Cow<'static, str> {
        "Metadata".into()
    }
}
