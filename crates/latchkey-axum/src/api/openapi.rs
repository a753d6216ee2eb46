//! `GET /openapi.json`: the description of the API (OpenAPI 3.1).

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr};
use utoipa::{Modify, OpenApi};

use super::{health, introspect, me, protected, revoke, security_txt, token, well_known};

#[derive(OpenApi)]
#[openapi(
    info(title = "Latchkey", description = "Sign-in for programs, with the same accounts as on the pages."),
    paths(
        token::token,
        revoke::revoke,
        introspect::introspect,
        protected::protected,
        me::me,
        openapi,
        well_known::jwks,
        well_known::metadata,
        security_txt::security_txt,
        health::live,
        health::ready
    ),
    modifiers(&BearerScheme, &FieldNames),
)]
struct Api;

struct BearerScheme;

impl Modify for BearerScheme {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Describes additional form fields: a form may contain unknown fields, each once and with a plain name, because
/// [`crate::strict_form::Form`] refuses other names.
struct FieldNames;

impl Modify for FieldNames {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for name in ["PasswordGrant", "RefreshGrant", "RevokeRequest", "IntrospectRequest"] {
            if let Some(RefOr::T(Schema::Object(form))) = components.schemas.get_mut(name) {
                let text = ObjectBuilder::new().schema_type(Type::String).build();
                form.additional_properties = Some(Box::new(AdditionalProperties::RefOr(RefOr::T(text.into()))));
                let plain = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some("^[A-Za-z0-9_.-]+$"))
                    .build();
                form.property_names = Some(Box::new(plain.into()));
            }
        }
    }
}

/// Returns the description of the API. It is built once.
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(Api::openapi);
    &DOCUMENT
}

/// Get this description
///
/// For tools that generate clients or tests from it.
#[utoipa::path(get, path = "/openapi.json", tag = "Description", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub async fn openapi() -> Response {
    static JSON: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        JSON.as_str(),
    )
        .into_response()
}

/// One operation, with what the API page shows about it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `get` or `post`.
    pub method: String,
    /// The path.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Whether it requires a bearer token.
    pub needs_token: bool,
    /// The fields of each form that it accepts; usually one form.
    pub forms: Vec<Vec<FormField>>,
    /// The responses: status and meaning.
    pub answers: Vec<(String, String)>,
}

/// One field of a form.
#[derive(Clone, Debug)]
pub struct FormField {
    /// The name of the field.
    pub name: String,
    /// What the field means.
    pub description: String,
    /// Whether it must be sent.
    pub required: bool,
    /// The JSON Schema of the field.
    pub schema: Value,
}

impl Operation {
    /// Returns an HTML id for the operation, such as `post-token`.
    pub fn id(&self) -> String {
        let path: String = self.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{}{path}", self.method)
    }
}

/// The operations that the page shows first, in the order in which most users need them.
const FIRST: [&str; 5] = ["/token", "/revoke", "/introspect", "/protected", "/me"];

/// Returns the operations of the description, first those about tokens, then the others by path.
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(document()).unwrap_or_default();
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut operations: Vec<Operation> = paths
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| (path, method, operation))
        })
        .map(|(path, method, operation)| Operation {
            method: method.clone(),
            path: path.clone(),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            needs_token: operation["security"].as_array().is_some_and(|security| !security.is_empty()),
            forms: forms(
                &document,
                &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"],
            ),
            answers: operation["responses"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(status, answer)| (status.clone(), text(&answer["description"])))
                .collect(),
        })
        .collect();
    operations.sort_by_key(|operation| {
        let place = FIRST.iter().position(|path| *path == operation.path).unwrap_or(FIRST.len());
        (place, operation.path.clone())
    });
    operations
}

fn forms(document: &Value, schema: &Value) -> Vec<Vec<FormField>> {
    let schema = resolve(document, schema);
    match schema["oneOf"].as_array() {
        Some(variants) => variants.iter().map(|variant| fields(resolve(document, variant))).collect(),
        None if schema.is_object() => vec![fields(schema)],
        None => Vec::new(),
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

fn fields(schema: &Value) -> Vec<FormField> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<FormField> = fields
        .map(|(name, schema)| FormField {
            name: name.clone(),
            description: text(&schema["description"]),
            required: required.contains(&name.as_str()),
            schema: schema.clone(),
        })
        .collect();
    // A JSON object has no order. Sort by name, but put password fields last, as people fill in forms.
    fields.sort_by_key(|field| (field.schema["format"] == "password", field.name.clone()));
    fields
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}
