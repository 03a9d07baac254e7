//! Signatures of ID tokens, verified by ring: the library that TLS is here with, in place of a second one.
//!
//! It must never sign, and never take a secret for a key: only what a provider signs with a key of its own counts.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{self as signatures, UnparsedPublicKey, VerificationAlgorithm};

/// The algorithms that an ID token may be signed with.
pub(super) const ALLOWED: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has this process verify by ring; once or often.
pub(super) fn install() {
    // Whoever was first has installed the same.
    let _ = PROVIDER.install_default();
}

enum Key {
    Rsa(signatures::RsaPublicKeyComponents<Vec<u8>>, &'static signatures::RsaParameters),
    Point(UnparsedPublicKey<Vec<u8>>),
}

struct RingVerifier(Algorithm, Key);

impl RingVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        if key.family() != algorithm.family() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let rsa = |parameters| match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Ok(Key::Rsa(signatures::RsaPublicKeyComponents { n: n.clone(), e: e.clone() }, parameters))
            }
            DecodingKeyKind::SecretOrDer(_) => Err(jsonwebtoken::errors::Error::from(ErrorKind::InvalidKeyFormat)),
        };
        let point = |algorithm: &'static dyn VerificationAlgorithm| {
            Ok(Key::Point(UnparsedPublicKey::new(algorithm, key.try_get_as_bytes()?.to_vec())))
        };
        let key = match algorithm {
            Algorithm::RS256 => rsa(&signatures::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&signatures::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&signatures::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&signatures::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&signatures::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&signatures::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => point(&signatures::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => point(&signatures::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => point(&signatures::ED25519),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        };
        Ok(Self(algorithm, key?))
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match &self.1 {
            Key::Rsa(key, parameters) => key.verify(parameters, message, signature),
            Key::Point(key) => key.verify(message, signature),
        };
        verified.map_err(|_| Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}
