//! Who asks: access keys, roles and their sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::{EcsReply, Refusal, Request};

/// Where a request goes, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) user: String,
}

/// A role that may be taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    /// What who takes it has to know.
    pub(crate) external_id: Option<String>,
}

/// What is known of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) roles: BTreeMap<String, Role>,
    sessions: BTreeMap<String, Session>,
    /// How often a role was taken.
    pub(super) taken: BTreeMap<String, u64>,
    /// Long-lived keys that are not valid any more.
    pub(super) expired: Vec<String>,
}

#[derive(Debug)]
struct Session {
    account: String,
    user: String,
    until: Instant,
}

/// Long-lived keys that are no account's number belong to this one.
pub(crate) const ACCOUNT: &str = "123456789012";

impl Keys {
    /// Who signed a request.
    pub(super) fn caller(&self, request: &Request, now: Instant) -> Result<Caller, Refusal> {
        let unsigned = || Refusal::new("MissingAuthenticationTokenException", "Missing Authentication Token");
        let header = request.header("authorization").ok_or_else(unsigned)?;
        let scope = header
            .split("Credential=")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .ok_or_else(unsigned)?;
        let mut parts = scope.split('/');
        let key = parts.next().unwrap_or_default();
        let region = parts.nth(1).unwrap_or_default().to_owned();
        let expired =
            || Refusal::new("ExpiredTokenException", "The security token included in the request is expired");
        if self.expired.iter().any(|expired| expired == key) {
            return Err(expired());
        }
        if !key.starts_with("ASIA") {
            let numbered = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
            let account = if numbered { key } else { ACCOUNT }.to_owned();
            let user = format!("arn:aws:iam::{account}:user/{key}");
            return Ok(Caller { account, region, user });
        }
        match self.sessions.get(key) {
            None => Err(Refusal::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )),
            Some(session) if session.until <= now => Err(expired()),
            Some(session) => {
                Ok(Caller { account: session.account.clone(), region, user: session.user.clone() })
            }
        }
    }

    /// Answers a request to STS.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        now: Instant,
        wall: f64,
        request_id: String,
    ) -> EcsReply {
        let form = form(&request.body);
        let result =
            self.caller(request, now).and_then(|caller| match form.get("Action").map(String::as_str) {
                Some("GetCallerIdentity") => Ok(format!(
                    "<GetCallerIdentityResult><Arn>{}</Arn><UserId>AIDAFAKE</UserId><Account>{}</Account>\
                 </GetCallerIdentityResult>",
                    caller.user, caller.account
                )),
                Some("AssumeRole") => self.assume(&caller, &form, now, wall),
                other => Err(Refusal::new("InvalidAction", format!("Could not find operation {other:?}"))),
            });
        let action = form.get("Action").map_or("", String::as_str);
        let (status, body) = match result {
            Ok(result) => (
                200,
                format!(
                    "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{result}\
                     <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
                ),
            ),
            Err(refusal) => (
                if refusal.code == "AccessDenied" { 403 } else { refusal.status },
                format!(
                    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                     <Code>{}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                    refusal.code, refusal.message
                ),
            ),
        };
        EcsReply { status, content_type: "text/xml", request_id, body }
    }

    fn assume(
        &mut self,
        caller: &Caller,
        form: &BTreeMap<String, String>,
        now: Instant,
        wall: f64,
    ) -> Result<String, Refusal> {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let (arn, session) = (field("RoleArn"), field("RoleSessionName"));
        let role = self.roles.get(&arn);
        let knows =
            |role: &&Role| role.external_id.is_none() || role.external_id.as_ref() == form.get("ExternalId");
        if role.filter(knows).is_none() {
            let message = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                caller.user
            );
            return Err(Refusal::new("AccessDenied", message));
        }
        *self.taken.entry(arn.clone()).or_default() += 1;
        let seconds = form.get("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
        let account = arn.split(':').nth(4).unwrap_or(ACCOUNT).to_owned();
        let key = format!("ASIA{:016}", self.sessions.len() + 1);
        let user = format!(
            "{}/{session}",
            arn.replacen(":iam:", ":sts:", 1).replacen(":role/", ":assumed-role/", 1)
        );
        let until = now + Duration::from_secs(seconds);
        let expires = jiff::Timestamp::from_second(wall as i64 + seconds as i64).unwrap_or_default();
        self.sessions.insert(key.clone(), Session { account, user: user.clone(), until });
        Ok(format!(
            "<AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token-of-{key}</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROAFAKE:{session}</AssumedRoleId><Arn>{user}</Arn></AssumedRoleUser>\
             </AssumeRoleResult>"
        ))
    }
}

/// The fields of a form.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (plain(name), plain(value))).collect()
}

/// Takes the percent signs out.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
