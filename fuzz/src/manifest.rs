//! The manifest of a remote folder: any bytes are a manifest whose paths stay in its folder, or an error.

use switchy_schema::{ErrorKind, Manifest, Printable};

/// Checks the bytes as a manifest.
///
/// # Panics
/// If the result violates a guarantee of the manifest.
pub fn check(data: &[u8]) {
    let manifest = match Manifest::parse("manifest", data) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Source, "{error}");
            for text in [error.to_string(), format!("{error:#}").replace('\n', "")] {
                assert!(text.len() < 8192, "{} bytes", text.len());
                assert!(Printable(&text).to_string() == text, "{text:?}");
            }
            return;
        }
    };
    let again = Manifest::parse("manifest", manifest.to_string().as_bytes()).expect("what it writes itself");
    assert_eq!((&manifest, manifest.sha256()), (&again, again.sha256()));
    for file in manifest.files() {
        let path = &file.path;
        let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        assert!(path.split('/').all(is_plain) && !path.contains(['\\', '\0']), "{path:?}");
        assert!(!path.contains(char::is_control) && path.len() <= 512, "{path:?}");
        let extension = path.rsplit('.').next().expect("one part").to_ascii_lowercase();
        assert!(["sql", "toml"].contains(&&*extension), "{path:?}");
        assert!(file.sha256.len() == 64 && !file.sha256.contains(|digit: char| digit.is_uppercase()));
    }
}
