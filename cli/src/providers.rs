//! `providers`: what tenants can run on, and what their configuration may hold.

use landlord_compute::machines::id::ProviderName;
use landlord_compute::provider::Provider;
use serde_json::{Value, json};

use super::exit::Failure;
use super::place::Place;
use super::screen::{Screen, table};

/// Lists the providers, or shows the configuration of one.
pub(crate) fn providers(screen: &Screen, place: &Place, name: Option<&ProviderName>) -> Result<(), Failure> {
    let Some(name) = name else {
        let all = place.providers();
        let listed: Vec<Value> = all
            .iter()
            .map(|provider| json!({ "name": provider.name(), "capabilities": provider.capabilities() }))
            .collect();
        return screen.show(&json!({ "providers": listed }), || {
            table(["provider", "not enforced there"], all.iter().map(|provider| row(provider.as_ref())))
        });
    };
    let provider = place.provider(name).map_err(|error| Failure::Usage(error.to_string()))?;
    let (schema, defaults) = (provider.config_schema(), provider.config_defaults());
    let document = json!({
        "name": name,
        "capabilities": provider.capabilities(),
        "config_schema": schema,
        "config_defaults": defaults,
    });
    screen.show(&document, || {
        let fields = schema["properties"].as_object();
        let rows = fields.into_iter().flatten().map(|(field, about)| {
            let text = about["description"].as_str().unwrap_or_default().replace('\n', " ");
            [field.clone(), default(&defaults, about, field), text]
        });
        table(["provider_config", "default", ""], rows)
    })
}

fn row(provider: &dyn Provider) -> [String; 2] {
    [provider.name().to_string(), provider.capabilities().not_enforced.join("\n")]
}

/// What a field is where a spec does not give it: as the operator says, else as the provider does.
fn default(operators: &Value, about: &Value, field: &str) -> String {
    match operators.get(field).or_else(|| about.get("default")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}
