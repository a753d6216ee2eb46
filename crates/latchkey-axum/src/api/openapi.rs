//! `GET /openapi.json` (OpenAPI 3.1).

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
    info(title = "Latchkey", description = "Sign-in for programs: the same accounts as on the pages."),
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

/// Forms may hold fields that nobody asked for, each once and with a plain name: [`crate::strict_form::Form`] reads no others.
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

/// The description of the API, made once.
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(Api::openapi);
    &DOCUMENT
}

/// Read this description
///
/// For tools that make clients or tests from it.
#[utoipa::path(get, path = "/openapi.json", tag = "Description", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub async fn openapi() -> Response {
    static JSON: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        JSON.as_str(),
    )
        .into_response()
}

/// One operation, as far as the page shows it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `get` or `post`.
    pub method: String,
    /// Its address.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// In a sentence.
    pub description: String,
    /// Whether it takes a bearer token.
    pub needs_token: bool,
    /// The forms that it takes, by their fields; mostly one.
    pub forms: Vec<Vec<FormField>>,
    /// Status and meaning.
    pub answers: Vec<(String, String)>,
}

/// One field of a form.
#[derive(Clone, Debug)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: String,
    /// Whether it must be sent.
    pub required: bool,
    /// Its JSON Schema.
    pub schema: Value,
}

impl Operation {
    /// A name for it within a page: `post-token`.
    pub fn id(&self) -> String {
        let path: String = self.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{}{path}", self.method)
    }
}

/// What most people look for, in the order in which they need it.
const FIRST: [&str; 5] = ["/token", "/revoke", "/introspect", "/protected", "/me"];

/// The operations of the description, tokens first.
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
    // A JSON object has no order: as people type them.
    fields.sort_by_key(|field| (field.schema["format"] == "password", field.name.clone()));
    fields
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}
