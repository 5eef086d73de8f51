use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{ClientConnection, Connection, ProtocolVersion, ServerConnection};
use rustls_pki_types::ServerName;

use super::*;
use crate::{
    Algorithm, ClientTrust, NothingRevoked, Options, Overrides, Peer, Pki, PresentedChain, Purpose, Refusal,
    RevocationList,
};

struct World {
    pki: Pki,
    trust: Arc<ClientTrust>,
    revoked: Arc<RevocationList>,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { token_algorithm: Some(Algorithm::Es256), ..Options::default() };
    let pki = Pki::open_or_issue(dir.path(), options).unwrap();
    let revoked = Arc::new(RevocationList::default());
    let (users, proxies) = (pki.authority_pem("ca").unwrap(), pki.authority_pem("front-proxy-ca").unwrap());
    let trust = ClientTrust::new(users, Some(proxies), revoked.clone()).unwrap();
    World { pki, trust, revoked, _dir: dir }
}

impl World {
    fn user(&self, name: &str) -> Arc<LiveCertificate> {
        let issued =
            self.pki.issue("user", &Overrides { name: name.into(), ..Overrides::default() }).unwrap();
        LiveCertificate::from_pem(&issued.certificate_pem, issued.key.expose()).unwrap()
    }

    fn connect(&self, identity: Option<Arc<LiveCertificate>>) -> (ClientConnection, ServerConnection) {
        let client = client_config(self.pki.authority_pem("ca").unwrap(), identity).unwrap();
        self.connect_with(client).unwrap()
    }

    fn connect_with(
        &self,
        client: Arc<ClientConfig>,
    ) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
        let server = server_config(self.pki.live("apiserver").unwrap()).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
        for _ in 0..10 {
            pump(&mut client, &mut server)?;
        }
        Ok((client, server))
    }

    /// What a client that speaks one suite and a server within limits agree on.
    fn speaking(
        &self,
        limits: &TlsLimits,
        suite: rustls::SupportedCipherSuite,
    ) -> Option<(ProtocolVersion, rustls::CipherSuite)> {
        let mut provider = provider().as_ref().clone();
        provider.cipher_suites = vec![suite];
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(
                Believed::trusting(authorities(self.pki.authority_pem("ca").unwrap()).unwrap()).unwrap(),
            ))
            .with_no_client_auth();
        let server = server_config_within(self.pki.live("apiserver").unwrap(), limits).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        for _ in 0..10 {
            pump(&mut client, &mut server).ok()?;
        }
        Some((server.protocol_version()?, server.negotiated_cipher_suite()?.suite()))
    }

    fn peer(&self, identity: Arc<LiveCertificate>) -> Arc<PresentedChain> {
        let (client, server) = self.connect(Some(identity));
        assert!(!client.is_handshaking() && !server.is_handshaking());
        match Peer::of_connection(&server, &self.trust) {
            Peer::Certificate(chain) => chain,
            other => panic!("{other:?}"),
        }
    }
}

fn pump(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    server.read_tls(&mut bytes.as_slice()).unwrap();
    server.process_new_packets()?;
    bytes.clear();
    server.write_tls(&mut bytes).unwrap();
    client.read_tls(&mut bytes.as_slice()).unwrap();
    client.process_new_packets().map(|_| ())
}

fn foreign(fill: impl FnOnce(&mut CertificateParams)) -> Arc<LiveCertificate> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    fill(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    LiveCertificate::from_pem(&certificate.pem(), &key.serialize_pem()).unwrap()
}

fn signed_by_ca(world: &World, fill: impl FnOnce(&mut CertificateParams)) -> Arc<LiveCertificate> {
    let (pem, ca_key) = world.pki.stored("ca").unwrap();
    let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(ca_key.expose()).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "late");
    fill(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    // Not read as `LiveCertificate` reads: that refuses some of what an attacker would send.
    let secret = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let secret = provider().key_provider.load_private_key(secret).unwrap();
    let certified = CertifiedKey::new(vec![certificate.der().clone()], secret);
    Arc::new(LiveCertificate(ArcSwap::from_pointee(certified)))
}

#[test]
fn a_client_of_ours_is_verified() {
    let world = world();
    let chain = world.peer(world.user("jane"));
    let verified = chain.verified(Purpose::User, Timestamp::now()).unwrap();
    assert_eq!(verified.leaf().common_name, "jane");
    let again = chain.verified(Purpose::User, Timestamp::now()).unwrap();
    assert!(Arc::ptr_eq(&verified, &again), "verified once per connection");
}

#[test]
fn no_certificate_is_no_peer() {
    let world = world();
    let (_, server) = world.connect(None);
    assert!(matches!(Peer::of_connection(&server, &world.trust), Peer::NoCertificate));
}

#[test]
fn an_unfinished_handshake_is_no_peer() {
    let world = world();
    let server = server_config(world.pki.live("apiserver").unwrap()).unwrap();
    let server = ServerConnection::new(server).unwrap();
    assert!(matches!(Peer::of_connection(&server, &world.trust), Peer::NoCertificate));
}

#[test]
fn a_stranger_finishes_the_handshake_but_is_not_believed() {
    let world = world();
    let chain = world.peer(foreign(|_| ()));
    for purpose in [Purpose::User, Purpose::FrontProxy] {
        assert!(chain.verified(purpose, Timestamp::now()).is_err());
    }
}

#[test]
fn d010_authorities_do_not_vouch_for_each_others_purpose() {
    let world = world();
    let proxy = world.peer(world.pki.live("front-proxy-client").unwrap());
    assert!(proxy.verified(Purpose::FrontProxy, Timestamp::now()).is_ok());
    assert_eq!(proxy.verified(Purpose::User, Timestamp::now()).unwrap_err(), Refusal::UnknownAuthority);
    let user = world.peer(world.user("front-proxy-client"));
    assert_eq!(user.verified(Purpose::FrontProxy, Timestamp::now()).unwrap_err(), Refusal::UnknownAuthority);
}

/// A year in the life of our authorities, which is ten years.
fn in_years(years: i32) -> i32 {
    i32::from(jiff::Zoned::now().year()) + years
}

#[test]
fn d034_time_is_checked_on_every_request() {
    let world = world();
    let chain = world.peer(world.user("jane"));
    let now = Timestamp::now();
    assert!(chain.verified(Purpose::User, now).is_ok());
    let later = now + SignedDuration::from_hours(24 * 91);
    assert!(matches!(chain.verified(Purpose::User, later), Err(Refusal::Expired(_))));

    let expired = world.peer(signed_by_ca(&world, |p| p.not_after = date_time_ymd(2020, 1, 1)));
    assert!(matches!(expired.verified(Purpose::User, now), Err(Refusal::Expired(_))));

    let early = world.peer(signed_by_ca(&world, |p| p.not_before = date_time_ymd(in_years(2), 1, 1)));
    assert!(matches!(early.verified(Purpose::User, now), Err(Refusal::NotYetValid(_))));
    let then = format!("{}-01-01T00:00:00Z", in_years(3)).parse().unwrap();
    assert!(early.verified(Purpose::User, then).is_ok(), "asked again when its time has come");
}

#[test]
fn a_serving_certificate_is_no_clients() {
    let world = world();
    let chain = world.peer(world.pki.live("apiserver").unwrap());
    assert_eq!(chain.verified(Purpose::User, Timestamp::now()).unwrap_err(), Refusal::WrongUsage);
}

#[test]
fn revocation_reaches_open_connections() {
    let world = world();
    let chain = world.peer(world.user("jane"));
    let verified = chain.verified(Purpose::User, Timestamp::now()).unwrap();
    world.revoked.replace([verified.leaf().fingerprint.clone()]);
    assert_eq!(chain.verified(Purpose::User, Timestamp::now()).unwrap_err(), Refusal::Revoked);
}

/// A list of one certificate that an authority has revoked, to be renewed at the beginning of a year.
fn revocations(ca: &str, key: &str, end: i32, serial: &[u8]) -> String {
    let issuer = Issuer::from_ca_cert_pem(ca, KeyPair::from_pem(key).unwrap()).unwrap();
    let revoked = rcgen::RevokedCertParams {
        serial_number: rcgen::SerialNumber::from_slice(serial),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = rcgen::CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(end, 1, 1),
        crl_number: rcgen::SerialNumber::from_slice(&[1]),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    params.signed_by(&issuer).unwrap().pem().unwrap()
}

#[test]
fn d036_revocation_lists_are_kept_and_bad_ones_refused() {
    let world = world();
    let (ca, key) = world.pki.stored("ca").unwrap();
    let (other, other_key) = world.pki.stored("front-proxy-ca").unwrap();
    let chain = world.peer(world.user("jane"));
    let serial = hex::decode(&chain.claimed().unwrap().serial).unwrap();
    let judged = |list: &str| {
        world.trust.replace(&format!("{ca}{list}"), None).unwrap();
        chain.verified(Purpose::User, Timestamp::now()).map(|_| ())
    };
    assert_eq!(judged(&revocations(&ca, key.expose(), 2090, &serial)), Err(Refusal::Revoked));
    assert_eq!(judged(&revocations(&ca, key.expose(), 2090, &[9])), Ok(()));
    assert!(judged(&revocations(&ca, key.expose(), 2021, &[9])).is_err());
    assert_eq!(judged(&revocations(&other, other_key.expose(), 2090, &serial)), Ok(()));
    // The name of our authority, but another's signature.
    assert!(judged(&revocations(&ca, other_key.expose(), 2090, &[9])).is_err());
    assert_eq!(judged(""), Ok(()));
    for bad in
        ["-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMAAwADAA\n"]
    {
        assert!(world.trust.replace(&format!("{ca}{bad}"), None).is_err());
        assert_eq!(
            chain.verified(Purpose::User, Timestamp::now()).map(|_| ()),
            Ok(()),
            "the old trust stays"
        );
    }
}

#[test]
fn d068_a_bad_bundle_leaves_the_old_one() {
    let world = world();
    let chain = world.peer(world.user("jane"));
    let ca = world.pki.authority_pem("ca").unwrap();
    for bad in [
        "",
        "garbage",
        ca.split_at(ca.len() / 2).0,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(world.trust.replace(bad, None).is_err(), "{bad}");
        assert!(chain.verified(Purpose::User, Timestamp::now()).is_ok());
    }
}

#[test]
fn a026_a_removed_authority_is_felt_by_open_connections_and_sessions_are_not_resumed() {
    let world = world();
    let mut config =
        (*client_config(world.pki.authority_pem("ca").unwrap(), Some(world.user("jane"))).unwrap()).clone();
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    let (client, server) = world.connect_with(config.clone()).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let Peer::Certificate(chain) = Peer::of_connection(&server, &world.trust) else {
        panic!("no certificate")
    };
    assert!(chain.verified(Purpose::User, Timestamp::now()).is_ok());

    let other = world.pki.authority_pem("front-proxy-ca").unwrap();
    world.trust.replace(other, None).unwrap();
    assert_eq!(chain.verified(Purpose::User, Timestamp::now()).unwrap_err(), Refusal::UnknownAuthority);

    let (client, _) = world.connect_with(config).unwrap();
    assert_eq!(client.handshake_kind(), Some(rustls::HandshakeKind::Full));
}

#[test]
fn d071_early_data_is_off() {
    let world = world();
    let config = server_config(world.pki.live("apiserver").unwrap()).unwrap();
    assert_eq!((config.max_early_data_size, config.send_tls13_tickets), (0, 0));
}

#[test]
fn d067_odd_chains_are_refused_without_a_panic() {
    let world = world();
    let ca = |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let critical = |p: &mut CertificateParams| {
        let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        p.custom_extensions.push(extension);
    };
    let chain = world.peer(signed_by_ca(&world, ca));
    assert!(chain.verified(Purpose::User, Timestamp::now()).is_err());
    let server_only =
        |p: &mut CertificateParams| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let chain = world.peer(signed_by_ca(&world, server_only));
    assert_eq!(chain.verified(Purpose::User, Timestamp::now()).unwrap_err(), Refusal::WrongUsage);
    let config =
        client_config(world.pki.authority_pem("ca").unwrap(), Some(signed_by_ca(&world, critical))).unwrap();
    if let Ok((_, server)) = world.connect_with(config)
        && let Peer::Certificate(chain) = Peer::of_connection(&server, &world.trust)
    {
        assert!(chain.verified(Purpose::User, Timestamp::now()).is_err());
    }
}

#[test]
fn c021_old_protocols_and_suites_are_absent() {
    for suite in &provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
        assert!(name.starts_with("TLS13") || name.contains("ECDHE"), "{name}");
    }
}

/// Handshakes of a client that speaks one suite, with a server within limits.
#[test]
fn b045_c021_every_version_and_suite_shakes_hands_as_the_limits_say() {
    let world = world();
    let one = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384".to_owned()];
    let all = TlsLimits::default();
    let newest = TlsLimits::parse(Some("VersionTLS13"), None).unwrap();
    let few = TlsLimits::parse(None, Some(&one)).unwrap();
    let mut agreed = 0;
    for (limits, expected) in [(all, 6), (newest, 3), (few, 4)] {
        let before = agreed;
        for suite in &provider().cipher_suites {
            let name = suite.suite().as_str().unwrap().replace("TLS13_", "TLS_");
            let outcome = world.speaking(&limits, *suite);
            // The serving key is of an elliptic curve.
            let wanted = limits.suites().contains(&name) && !name.contains("_RSA_");
            assert_eq!(
                outcome,
                wanted.then(|| (suite.version().version, suite.suite())),
                "{name}: {limits:?}"
            );
            agreed += usize::from(outcome.is_some());
        }
        assert_eq!(agreed - before, expected, "{limits:?}");
    }
}

#[test]
fn d069_an_unknown_protocol_is_refused() {
    let world = world();
    let mut config = (*client_config(world.pki.authority_pem("ca").unwrap(), None).unwrap()).clone();
    config.alpn_protocols = vec![b"spdy/1".to_vec()];
    assert!(world.connect_with(Arc::new(config)).is_err());
    let (client, _) = world.connect(None);
    assert_eq!(Connection::from(client).alpn_protocol(), Some(&b"h2"[..]));
}

#[test]
fn renewal_reaches_the_next_handshake() {
    let world = world();
    let live = world.pki.live("apiserver").unwrap();
    let serve = server_config(live.clone()).unwrap();
    let shown = || {
        let config = client_config(world.pki.authority_pem("ca").unwrap(), None).unwrap();
        let mut client = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut server = ServerConnection::new(serve.clone()).unwrap();
        for _ in 0..5 {
            pump(&mut client, &mut server).unwrap();
        }
        client.peer_certificates().unwrap()[0].to_vec()
    };
    let before = shown();
    world.pki.renew("apiserver").unwrap();
    let (chain, key) = world.pki.stored("apiserver").unwrap();
    live.replace(&chain, key.expose()).unwrap();
    assert_ne!(shown(), before);
}

/// An authority between the root and the users: its certificate, in PEM form, and who signs with it.
fn intermediate(
    root: &str,
    root_key: &str,
    fill: impl FnOnce(&mut CertificateParams),
) -> (rcgen::Certificate, KeyPair) {
    let issuer = Issuer::from_ca_cert_pem(root, KeyPair::from_pem(root_key).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "a department");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x42, 7]));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    fill(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, &issuer).unwrap(), key)
}

impl World {
    /// A user whose certificate an intermediate signed; the client sends both, or only its own.
    fn departmental(
        &self,
        (above, above_key): &(rcgen::Certificate, KeyPair),
        whole: bool,
    ) -> Arc<PresentedChain> {
        let above_key = KeyPair::from_pem(&above_key.serialize_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&above.pem(), above_key).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kim");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(2090, 1, 1);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let pem = if whole { leaf.pem() + &above.pem() } else { leaf.pem() };
        self.peer(LiveCertificate::from_pem(&pem, &key.serialize_pem()).unwrap())
    }
}

#[test]
fn a032_an_intermediate_vouches_while_it_may_itself() {
    let world = world();
    let (root, root_key) = world.pki.stored("ca").unwrap();
    let plain = |_: &mut CertificateParams| {};
    let department = intermediate(&root, root_key.expose(), plain);
    let now = Timestamp::now();
    let judged = |chain: &PresentedChain, now| chain.verified(Purpose::User, now).map(|_| ());
    let kim = world.departmental(&department, true);
    assert_eq!(judged(&kim, now), Ok(()));
    assert_eq!(judged(&world.departmental(&department, false), now), Err(Refusal::UnknownAuthority));

    // By whatever it is named, its revocation is felt by those it vouches for.
    let fingerprint = crate::Leaf::parse(department.0.der()).unwrap().fingerprint;
    for mark in [crate::Mark::fingerprint(&fingerprint), crate::Mark::serial("42:07")] {
        world.revoked.set("department", Some(mark));
        assert_eq!(judged(&kim, now), Err(Refusal::Revoked));
        world.revoked.set("department", None);
        assert_eq!(judged(&kim, now), Ok(()));
    }

    // Its own end comes before the user's.
    let brief = intermediate(&root, root_key.expose(), |params| {
        params.not_after = date_time_ymd(in_years(2), 1, 1);
    });
    let later: Timestamp = format!("{}-06-01T00:00:00Z", in_years(2)).parse().unwrap();
    assert_eq!(judged(&kim, later), Ok(()));
    let kim = world.departmental(&brief, true);
    assert_eq!(judged(&kim, now), Ok(()));
    assert!(judged(&kim, later).is_err());

    // What is not meant for clients, or is no authority, vouches for none.
    let serving = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let servers = intermediate(&root, root_key.expose(), serving);
    assert!(judged(&world.departmental(&servers, true), now).is_err());
    let nobody = intermediate(&root, root_key.expose(), |params| params.is_ca = IsCa::ExplicitNoCa);
    assert!(judged(&world.departmental(&nobody, true), now).is_err());
    let flat = intermediate(&root, root_key.expose(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    assert_eq!(judged(&world.departmental(&flat, true), now), Ok(()));
    let below = intermediate(&flat.0.pem(), &flat.1.serialize_pem(), plain);
    assert!(judged(&world.departmental(&below, true), now).is_err(), "no path to the root");
}

#[test]
fn d036_an_intermediate_on_a_list_of_its_authority_vouches_for_nobody() {
    let world = world();
    let (root, root_key) = world.pki.stored("ca").unwrap();
    let department = intermediate(&root, root_key.expose(), |_| {});
    let kim = world.departmental(&department, true);
    let judged = |serial: &[u8]| {
        let list = revocations(&root, root_key.expose(), 2090, serial);
        world.trust.replace(&format!("{root}{list}"), None).unwrap();
        kim.verified(Purpose::User, Timestamp::now()).map(|_| ())
    };
    assert_eq!(judged(&[9]), Ok(()));
    assert_eq!(judged(&[0x42, 7]), Err(Refusal::Revoked));
}

#[test]
fn d034_an_authority_whose_own_time_is_over_vouches_for_nobody() {
    let authority = |end: i32| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("until {end}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(end, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), key)
    };
    let world = world();
    let (brief, lasting) = (authority(2060), authority(2080));
    let (first, second) = (world.departmental(&brief, false), world.departmental(&lasting, false));
    let judged = |chain: &PresentedChain, year: &str| {
        let now: Timestamp = format!("{year}-06-01T00:00:00Z").parse().unwrap();
        chain.verified(Purpose::User, now).map(|_| ())
    };
    world.trust.replace(&(brief.0.pem() + &lasting.0.pem()), None).unwrap();
    assert_eq!((judged(&first, "2059"), judged(&second, "2059")), (Ok(()), Ok(())));
    // What was believed on this connection before is asked again.
    assert_eq!((judged(&first, "2061"), judged(&second, "2061")), (Err(Refusal::UnknownAuthority), Ok(())));
    assert_eq!(judged(&second, "2081"), Err(Refusal::AuthoritiesOver));
}

#[test]
fn b001_a_shared_authority_is_seen() {
    let world = world();
    assert!(!world.trust.front_proxy_shares_authority());
    let ca = world.pki.authority_pem("ca").unwrap();
    let both = ClientTrust::new(ca, Some(ca), Arc::new(NothingRevoked)).unwrap();
    assert!(both.front_proxy_shares_authority());
}

/// Whether a client that trusts this certificate alone takes it for the server `localhost`.
fn takes_itself(fill: impl FnOnce(&mut CertificateParams)) -> Result<(), rustls::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fill(&mut params);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let believed = Believed::trusting(vec![certificate.der().clone()]).unwrap();
    let now = UnixTime::now();
    let name = ServerName::try_from("localhost").unwrap();
    believed.verify_server_cert(certificate.der(), &[], &name, &[], now).map(|_| ())
}

#[test]
fn a_trusted_certificate_may_be_the_servers_own() {
    takes_itself(|_| ()).unwrap();
    takes_itself(|params| params.is_ca = IsCa::NoCa).unwrap();
    takes_itself(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]).unwrap();
    takes_itself(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
        .unwrap_err();
    takes_itself(|params| params.not_after = date_time_ymd(2020, 1, 1)).unwrap_err();
    takes_itself(|params| params.not_before = date_time_ymd(2090, 1, 1)).unwrap_err();
    takes_itself(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("other".try_into().unwrap())]
    })
    .unwrap_err();
}

#[test]
fn a_certificate_that_only_looks_like_a_trusted_one_is_refused() {
    let of = || {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    let (ours, theirs) = (of(), of());
    let believed = Believed::trusting(vec![ours]).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    believed.verify_server_cert(&theirs, &[], &name, &[], UnixTime::now()).unwrap_err();
}
