//! What a file may say, and what is refused by name.

use super::*;

#[test]
fn one_region_by_default() {
    let (regions, default) = Config::default().regions().unwrap();
    assert_eq!(default.as_str(), "us-east-1");
    assert_eq!(regions.len(), 1);
    assert_eq!(regions[0].zones.len(), 3);
    assert_eq!(regions[0].s3_prefixes.len(), 2);
}

#[test]
fn bad_files_are_named() {
    for (text, word) in [
        ("listen = 5", "listen"),
        ("speed = 9", "speed"),
        ("[metrics]\nlisten = '0.0.0.0:9090'", "loopback"),
        ("[dns]\nupstream = ['ns.example.com']", "ns.example.com"),
        ("[dns]\nupstream = ['0.0.0.0']", "0.0.0.0"),
        ("default_region = 'mars'", "mars"),
        (
            "default_region = 'eu-west-1'\n[[region]]\nname = 'us-east-1'",
            "eu-west-1",
        ),
        (
            "[[region]]\nname = 'us-east-1'\n[[region]]\nname = 'us-east-1'",
            "twice",
        ),
        ("[[region]]\nname = 'us-east-1'\nzones = ['a', '7']", "7"),
        (
            "[[region]]\nname = 'us-east-1'\ns3_prefixes = ['198.19.0.0/24']",
            "overlaps",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("adit.toml");
        std::fs::write(&path, text).unwrap();
        let why = match Config::read(&path) {
            Err(error) => error.to_string(),
            Ok(config) => config.regions().unwrap_err().to_string(),
        };
        assert!(why.contains(word) && !why.contains('\n'), "{text}: {why}");
    }
}
