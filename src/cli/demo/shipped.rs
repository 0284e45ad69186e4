//! The shipped rules, built into the binary, so that the demo needs no file.

use std::path::Path;
use std::sync::Arc;

use crate::config::rule_files::list_entries;
use crate::detect::rule::{Options, RuleSet, Source, compile};

/// Files with the paths that they have in the repository.
macro_rules! files {
    ($($path:literal,)*) => { [$(($path, include_str!(concat!("../../../", $path))),)*] };
}

/// A test compares them with the folder.
static RULES: &[(&str, &str)] = &files![
    "rules/access/cross_service_fan_out.yml",
    "rules/access/denied_burst_per_address.yml",
    "rules/access/denied_burst_per_subject.yml",
    "rules/access/failure_share_per_service.yml",
    "rules/access/new_client.yml",
    "rules/access/new_device.yml",
    "rules/access/token_fan_out.yml",
    "rules/issuance/client_reissue_rate.yml",
    "rules/issuance/issuance_spike_per_client.yml",
    "rules/issuance/mass_revocation.yml",
    "rules/issuance/overlong_lifetime.yml",
    "rules/issuance/refresh_token_reuse.yml",
    "rules/issuance/token_issued_without_login.yml",
    "rules/issuance/token_reissue_rate.yml",
    "rules/location/geo_change.yml",
    "rules/location/impossible_travel.yml",
    "rules/location/new_country.yml",
    "rules/location/new_network.yml",
    "rules/login/credential_stuffing.yml",
    "rules/login/password_spraying.yml",
    "rules/login/success_after_many_failures.yml",
    "rules/machines/service_account_in_browser.yml",
    "rules/machines/service_account_new_network.yml",
    "rules/privilege/role_gained.yml",
    "rules/privilege/scope_gained.yml",
    "rules/privilege/use_beyond_scope.yml",
    "rules/tokens/alg_none.yml",
    "rules/tokens/algorithm_mismatch.yml",
    "rules/tokens/expired_token_accepted.yml",
    "rules/tokens/forged_token_accepted.yml",
    "rules/tokens/revoked_token_used.yml",
    "rules/tokens/tampered_tokens.yml",
    "rules/tokens/token_on_two_devices.yml",
    "rules/tokens/token_on_two_networks.yml",
    "rules/tokens/unknown_key.yml",
    "rules/tokens/wrong_audience_accepted.yml",
];

static LISTS: &[(&str, &str)] = &files![
    "rules/lists/credential_reasons.txt",
    "rules/lists/own_networks.txt",
    "rules/lists/relay_addresses.txt",
    "rules/lists/relay_networks.txt",
    "rules/lists/service_accounts.txt",
    "rules/lists/token_algorithms.txt",
];

/// The shipped rules, compiled.
pub(super) fn rules() -> Arc<RuleSet> {
    let sources: Vec<_> = RULES.iter().map(|&(path, text)| Source { path, text }).collect();
    let lists = LISTS.iter().map(|(path, text)| {
        let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        (name.to_owned(), list_entries(text).map(str::to_owned).collect())
    });
    let options = Options { lists: lists.collect(), ..Options::default() };
    Arc::new(compile(&sources, &options).expect("a test compiles the shipped rules").rules)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::rule_files;

    #[test]
    fn the_shipped_rules_are_those_of_the_folder_and_compile() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let relative = |path: &PathBuf| path.strip_prefix(folder).expect("in the folder").display().to_string();
        let found = rule_files::find(&[folder.join("rules")]).expect("the folder is there").rules;
        assert_eq!(RULES.iter().map(|(path, _)| (*path).to_owned()).collect::<Vec<_>>(), {
            found.iter().map(relative).collect::<Vec<_>>()
        });
        let lists = rule_files::lists(&[folder.join("rules/lists")]).expect("the folder is there");
        assert_eq!(LISTS.len(), lists.len());
        assert!(rules().rules.len() >= RULES.len());
    }
}
