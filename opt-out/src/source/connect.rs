//! A store's client, set up by the environment alone: whose credentials, which endpoint. Nothing of that is in a file of
//! ours, and no message repeats it.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::extract::{Bucket, Scheme};

/// How often a request is made again, at most.
const RETRIES_MAX: usize = 5;
/// How long it is made again, at most.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client waits: for a connection, and for an answer with all its bytes.
const TIMEOUTS: [(ClientConfigKey, &str); 3] = [
    (ClientConfigKey::ConnectTimeout, "5 seconds"),
    (ClientConfigKey::Timeout, "120 seconds"),
    // Whoever could switch this off by the environment could read along.
    (ClientConfigKey::AllowInvalidCertificates, "false"),
];

/// Ways to say who asks: all variables of one of them must be set.
type Ways = &'static [&'static [&'static str]];

const S3: Ways = &[
    &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
    &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    &["AWS_METADATA_ENDPOINT"],
];
const AZURE: Ways = &[
    &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"],
    &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_SAS_TOKEN"],
    &[
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_STORAGE_TENANT_ID",
    ],
    &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_FEDERATED_TOKEN_FILE"],
    &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_MSI_ENDPOINT"],
    &["AZURE_STORAGE_ACCOUNT_NAME", "IDENTITY_ENDPOINT"],
];
const GOOGLE: Ways =
    &[&["GOOGLE_SERVICE_ACCOUNT"], &["GOOGLE_SERVICE_ACCOUNT_KEY"], &["GOOGLE_APPLICATION_CREDENTIALS"]];

/// The client for a bucket. Sends nothing yet.
///
/// # Errors
/// What is missing in the environment, and what to do.
pub(super) fn store(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, String> {
    check(bucket.scheme, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    let retry = || RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
    };
    let name = &bucket.name;
    // What a builder complains of could be a variable's value.
    let unusable =
        |_| "what the environment says of the store cannot be used: look at each variable once more".to_owned();
    Ok(match bucket.scheme {
        Scheme::S3 => {
            let builder = AmazonS3Builder::from_env().with_bucket_name(name).with_retry(retry());
            let set =
                |builder: AmazonS3Builder, (key, value)| builder.with_config(AmazonS3ConfigKey::Client(key), value);
            Arc::new(TIMEOUTS.into_iter().fold(builder, set).build().map_err(unusable)?)
        }
        Scheme::Azure => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(name).with_retry(retry());
            let set =
                |builder: MicrosoftAzureBuilder, (key, value)| builder.with_config(AzureConfigKey::Client(key), value);
            Arc::new(TIMEOUTS.into_iter().fold(builder, set).build().map_err(unusable)?)
        }
        Scheme::Google => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(name).with_retry(retry());
            let set = |builder: GoogleCloudStorageBuilder, (key, value)| {
                builder.with_config(GoogleConfigKey::Client(key), value)
            };
            Arc::new(TIMEOUTS.into_iter().fold(builder, set).build().map_err(unusable)?)
        }
    })
}

/// What the environment must say: without it a client would ask whatever machine answers at a well-known address.
fn check(scheme: Scheme, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let (ways, endpoints, allowing): (Ways, &[&str], &str) = match scheme {
        Scheme::S3 => (S3, &["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"], "AWS_ALLOW_HTTP"),
        Scheme::Azure => (AZURE, &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"], "AZURE_ALLOW_HTTP"),
        Scheme::Google => (GOOGLE, &["GOOGLE_BASE_URL"], "GOOGLE_ALLOW_HTTP"),
    };
    let is_set = |name: &&str| variable(name).is_some();
    if !ways.iter().any(|way| way.iter().all(&is_set)) {
        let ways: Vec<String> = ways.iter().map(|way| way.join(" and ")).collect();
        return Err(format!("the environment gives no credentials for it: set {}", ways.join(", or ")));
    }
    let is_plain = |name: &&&str| variable(name).is_some_and(|url| url.trim_start().starts_with("http:"));
    let allowed = variable(allowing).is_some_and(|value| matches!(value.as_str(), "true" | "1" | "TRUE"));
    match endpoints.iter().find(is_plain) {
        Some(name) if !allowed => Err(format!(
            "the endpoint in {name} is plain `http`, so that records would cross the network for all to read: use `https`, \
             or, for a server of this machine, set {allowing}=true"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_must_say_who_asks() {
        let key = &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let plain = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000");
        let account = ("AZURE_STORAGE_ACCOUNT_NAME", "a");
        for (scheme, variables, told) in [
            (Scheme::S3, vec![], Some("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or")),
            (Scheme::S3, vec![key[0]], Some("gives no credentials")),
            (Scheme::S3, key.to_vec(), None),
            (Scheme::S3, vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "r")], None),
            (Scheme::S3, vec![key[0], key[1], plain], Some("the endpoint in AWS_ENDPOINT_URL is plain `http`")),
            (Scheme::S3, vec![key[0], key[1], plain, ("AWS_ALLOW_HTTP", "false")], Some("set AWS_ALLOW_HTTP=true")),
            (Scheme::S3, vec![key[0], key[1], plain, ("AWS_ALLOW_HTTP", "true")], None),
            (Scheme::S3, vec![key[0], key[1], ("AWS_ENDPOINT_URL", "https://store")], None),
            (Scheme::Azure, vec![account], Some("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY")),
            (Scheme::Azure, vec![account, ("AZURE_STORAGE_ACCOUNT_KEY", "b")], None),
            (Scheme::Azure, key.to_vec(), Some("gives no credentials")),
            (Scheme::Google, vec![], Some("set GOOGLE_SERVICE_ACCOUNT, or")),
            (Scheme::Google, vec![("GOOGLE_APPLICATION_CREDENTIALS", "/key.json")], None),
        ] {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let found = check(scheme, &variable);
            match told {
                None => assert_eq!(found, Ok(()), "{variables:?}"),
                Some(told) => {
                    assert!(found.as_ref().is_err_and(|text| text.contains(told)), "{variables:?}: {found:?}")
                }
            }
        }
    }
}
