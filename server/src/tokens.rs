//! Tokens: made and revoked by the owner, and known by the hash of what proves them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use landlord_api::{
    BearerToken, Code, MadeToken, NewToken, Role, TenantPattern, TokenDocument, TokensDocument,
};
use landlord_compute::DocumentError;
use landlord_compute::machines::id::TenantId;
use landlord_compute::store::{DocumentKind, DocumentRevision, DocumentWrite, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::access::{Grant, Rate};
use crate::asked::{JsonBody, Named};
use crate::documents;
use crate::refused::Refused;
use crate::served::Served;

/// With what every token begins, so that programs that look for leaked secrets find it.
const PREFIX: &str = "llt_";
const KIND: DocumentKind = DocumentKind::Token;
/// How many patterns a token may have.
const PATTERNS: usize = 64;
/// How often tokens are read that other servers may have made or revoked.
const FOLLOWS: Duration = Duration::from_secs(2);

/// The SHA-256 of what proves a token, as 64 hexadecimal digits. As that is random and long, whoever reads the hash cannot find
/// it.
pub(crate) type Hash = String;

/// The tokens that are valid. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<Known>);

#[derive(Default)]
struct Known {
    valid: RwLock<Valid>,
    /// Whoever has it changes what is kept and what is valid, so that no other change comes between.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Valid {
    rate: Rate,
    grants: HashMap<Hash, Arc<Grant>>,
}

/// What a store keeps of a token, under its name.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    sha256: Hash,
    role: Role,
    tenants: Vec<TenantPattern>,
    created_at: Timestamp,
}

impl Tokens {
    /// Whoever this proves, if it does.
    pub(crate) fn find(&self, secret: &str) -> Option<Arc<Grant>> {
        let valid = self.0.valid.read().unwrap_or_else(PoisonError::into_inner);
        valid.grants.get(&hash(secret)).cloned()
    }

    /// Whoever the token with this hash proves, if it is still valid.
    pub(crate) fn find_by_hash(&self, hash: &Hash) -> Option<Arc<Grant>> {
        let valid = self.0.valid.read().unwrap_or_else(PoisonError::into_inner);
        valid.grants.get(hash).cloned()
    }

    /// Those that a store keeps, from now on. One that cannot be read, as a newer version made it, is valid for nobody.
    pub(crate) async fn load(&self, served: &Served, rate: Rate) -> Result<(), StoreError> {
        self.read(served, rate, |_| None).await
    }

    /// Reads them again and again until the engine ends: other servers of a store that is shared make and revoke them too.
    pub(crate) async fn follow(served: Served) {
        let Some(engine) = served.any_engine().map(Arc::clone).filter(|engine| engine.is_shared()) else {
            return;
        };
        loop {
            tokio::select! {
                _ = engine.closed() => return,
                () = tokio::time::sleep(FOLLOWS) => {}
            }
            let tokens = served.tokens();
            let rate = tokens.0.valid.read().unwrap_or_else(PoisonError::into_inner).rate;
            // What a token has used up of its rate stays used up.
            if let Err(error) = tokens.read(&served, rate, |hash| tokens.find_by_hash(hash)).await {
                tracing::warn!(%error, "the tokens cannot be read now; those from before are valid on");
            }
        }
    }

    async fn read(
        &self,
        served: &Served,
        rate: Rate,
        known: impl Fn(&Hash) -> Option<Arc<Grant>>,
    ) -> Result<(), StoreError> {
        let _turn = self.0.turn.lock().await;
        let mut grants = HashMap::new();
        for document in documents::all(served, KIND).await? {
            let Ok(kept) = documents::read::<Kept>(&document) else {
                tracing::warn!(token = document.name, "a token cannot be read, and is not valid");
                continue;
            };
            let (hash, mut grant) = kept.grant(document.name, rate);
            // What its holder is answered goes on.
            if let Some(before) = self.find_by_hash(&hash) {
                grant.revoked = before.revoked.clone();
            }
            let grant = known(&hash).unwrap_or_else(|| Arc::new(grant));
            grants.insert(hash, grant);
        }
        let mut valid = self.0.valid.write().unwrap_or_else(PoisonError::into_inner);
        for (hash, before) in &valid.grants {
            if !grants.contains_key(hash) {
                before.revoked.cancel();
            }
        }
        *valid = Valid { rate, grants };
        Ok(())
    }

    fn add(&self, name: &str, kept: &Kept) {
        let mut valid = self.0.valid.write().unwrap_or_else(PoisonError::into_inner);
        let (hash, grant) = kept.clone().grant(name.to_owned(), valid.rate);
        valid.grants.insert(hash, Arc::new(grant));
    }

    fn remove(&self, name: &str) {
        let mut valid = self.0.valid.write().unwrap_or_else(PoisonError::into_inner);
        for (_, revoked) in valid.grants.extract_if(|_, grant| grant.name == name) {
            revoked.revoked.cancel();
        }
    }
}

/// The tokens, without what proves them.
pub(crate) async fn list(State(served): State<Served>) -> Result<Json<TokensDocument>, Refused> {
    let tokens = documents::all(&served, KIND).await?;
    let tokens = tokens
        .into_iter()
        .filter_map(|document| Some(documents::read::<Kept>(&document).ok()?.shown(document.name)));
    Ok(Json(TokensDocument { tokens: tokens.collect() }))
}

/// Makes a token, and shows this once what proves it.
pub(crate) async fn create(
    State(served): State<Served>,
    JsonBody(new): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Refused> {
    let NewToken { name, role, tenants } = new;
    let invalid = |detail: String| Refused::new(Code::InvalidRequest, detail);
    // Its name goes into paths, as a tenant's does.
    TenantId::new(&name).map_err(|error| invalid(format!("name: {error}")))?;
    if tenants.is_empty() || tenants.len() > PATTERNS {
        return Err(invalid(format!("tenants: name 1 to {PATTERNS} of them, such as acme-*, or * for all")));
    }
    let secret = new_secret()?;
    let kept = Kept { sha256: hash(secret.reveal()), role, tenants, created_at: Timestamp::now() };
    let json = documents::text(&kept)?;
    let expected = DocumentRevision::ABSENT;
    let write = DocumentWrite { kind: KIND, name, expected, json: Some(json), reads_from: None };
    let _turn = served.tokens().0.turn.lock().await;
    match served.commands()?.documents().put(&write).await {
        Ok(_) => {}
        Err(DocumentError::Mismatch(_)) => {
            let detail =
                format!("a token is called {} already; revoke it first, or use another name", write.name);
            return Err(Refused::new(Code::TokenExists, detail));
        }
        Err(error) => return Err(error.into()),
    }
    served.tokens().add(&write.name, &kept);
    Ok((StatusCode::CREATED, Json(MadeToken { token: kept.shown(write.name), secret })))
}

/// Makes a token worth nothing: from the next request on, and what is still being answered ends.
pub(crate) async fn revoke(
    State(served): State<Served>,
    Named(name): Named<String>,
) -> Result<StatusCode, Refused> {
    let documents = served.commands()?.documents();
    let _turn = served.tokens().0.turn.lock().await;
    // First, so that it stays worth nothing where this request is cut off before it is answered.
    served.tokens().remove(&name);
    let unknown = || Refused::new(Code::TokenNotFound, format!("there is no token {name}"));
    let document = served.reads().document(DocumentKind::Token, &name).await?.ok_or_else(unknown)?;
    let write = DocumentWrite {
        kind: DocumentKind::Token,
        name: document.name,
        expected: document.revision,
        json: None,
        reads_from: None,
    };
    match documents.put(&write).await {
        // Somebody else has revoked it at the same time.
        Ok(_) | Err(DocumentError::Mismatch(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Kept {
    fn grant(self, name: String, rate: Rate) -> (Hash, Grant) {
        let Self { sha256, role, tenants, created_at: _ } = self;
        (sha256, Grant::new(name, role, tenants, rate))
    }

    fn shown(self, name: String) -> TokenDocument {
        let Self { sha256: _, role, tenants, created_at } = self;
        TokenDocument { name, role, tenants, created_at }
    }
}

pub(crate) fn hash(secret: &str) -> Hash {
    hex(&Sha256::digest(secret.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn new_secret() -> Result<BearerToken, Refused> {
    Ok(BearerToken::new(format!("{PREFIX}{}", random()?)))
}

/// 256 random bits.
pub(crate) fn random() -> Result<String, Refused> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Refused::new(Code::Defect, format!("the system has no random bytes: {error}")))?;
    Ok(hex(&random))
}
