//! What the simulated company and its surroundings are made of: places, networks, browsers, clients, service names.
//!
//! Plain tables, so that the generator draws from them by index. The addresses lie in blocks near those that the
//! named networks announce; none stands for a real person or machine.

/// A city with one fixed-line and one mobile network.
///
/// Where a country has several cities here, any two of them lie at least 800 km apart: the second one is where an
/// impossible traveller of the same country turns up.
#[derive(Debug)]
pub(super) struct City {
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    pub name: &'static str,
    /// Degrees north, degrees east.
    pub lat: f64,
    pub lon: f64,
    pub accuracy_km: u16,
    pub fixed: Network,
    pub mobile: Network,
}

/// An autonomous system with one block of addresses.
#[derive(Debug)]
pub(super) struct Network {
    pub number: u32,
    pub organization: &'static str,
    /// The first two octets of a /16.
    pub v4: [u8; 2],
    /// The first two groups of an IPv6 block, where the network hands out IPv6.
    pub v6: Option<[u16; 2]>,
}

const fn network(number: u32, organization: &'static str, v4: [u8; 2], v6: Option<[u16; 2]>) -> Network {
    Network { number, organization, v4, v6 }
}

const fn city(
    country: &'static str,
    name: &'static str,
    (lat, lon, accuracy_km): (f64, f64, u16),
    fixed: Network,
    mobile: Network,
) -> City {
    City { country, name, lat, lon, accuracy_km, fixed, mobile }
}

#[rustfmt::skip]
pub(super) static CITIES: [City; 32] = [
    city("AT", "Vienna", (48.2085, 16.3721, 5), network(8447, "A1 Telekom Austria AG", [84, 112], None), network(25255, "Hutchison Drei Austria GmbH", [77, 116], Some([0x2a02, 0x8388]))),
    city("DE", "Frankfurt am Main", (50.1155, 8.6842, 5), network(3320, "Deutsche Telekom AG", [87, 150], Some([0x2003, 0xe3])), network(6805, "Telefonica Germany", [176, 4], None)),
    city("CH", "Zürich", (47.3667, 8.55, 10), network(3303, "Swisscom (Schweiz) AG", [85, 1], Some([0x2a02, 0x1205])), network(6730, "Sunrise GmbH", [178, 197], None)),
    city("FR", "Paris", (48.8534, 2.3488, 5), network(3215, "Orange S.A.", [90, 63], Some([0x2a01, 0xcb04])), network(5410, "Bouygues Telecom SA", [176, 160], None)),
    city("GB", "London", (51.5085, -0.1257, 5), network(2856, "British Telecommunications PLC", [86, 139], Some([0x2a00, 0x23c5])), network(12576, "EE Limited", [31, 94], None)),
    city("NL", "Amsterdam", (52.374, 4.8897, 5), network(1136, "KPN B.V.", [77, 164], Some([0x2a02, 0xa210])), network(31615, "Odido Netherlands B.V.", [188, 90], None)),
    city("ES", "Madrid", (40.4165, -3.7026, 10), network(3352, "Telefonica de Espana SAU", [88, 3], None), network(12430, "Vodafone Spain", [77, 230], None)),
    city("IT", "Milan", (45.4643, 9.1895, 10), network(3269, "Telecom Italia S.p.A.", [79, 3], None), network(30722, "Vodafone Italia S.p.A.", [37, 160], None)),
    city("PL", "Warsaw", (52.2298, 21.0118, 10), network(5617, "Orange Polska S.A.", [83, 24], None), network(8374, "Polkomtel Sp. z o.o.", [37, 47], Some([0x2a00, 0xf41]))),
    city("SE", "Stockholm", (59.3294, 18.0687, 5), network(3301, "Telia Company AB", [81, 224], None), network(44034, "Hi3G Access AB", [94, 234], None)),
    city("PT", "Lisbon", (38.7167, -9.1333, 10), network(3243, "MEO - Servicos de Comunicacoes", [85, 240], Some([0x2001, 0x8a0])), network(12353, "Vodafone Portugal", [77, 54], None)),
    city("US", "New York", (40.7143, -74.006, 20), network(12271, "Charter Communications Inc", [67, 243], Some([0x2604, 0x2000])), network(21928, "T-Mobile USA, Inc.", [172, 56], Some([0x2607, 0xfb90]))),
    city("US", "Los Angeles", (34.0522, -118.2437, 20), network(20001, "Charter Communications Inc", [76, 90], Some([0x2603, 0x8000])), network(6167, "Verizon Business", [174, 193], Some([0x2600, 0x1012]))),
    city("US", "Houston", (29.7633, -95.3633, 20), network(7922, "Comcast Cable Communications, LLC", [73, 32], Some([0x2601, 0x2c0])), network(20057, "AT&T Mobility LLC", [107, 77], Some([0x2600, 0x387]))),
    city("CA", "Toronto", (43.7001, -79.4163, 10), network(812, "Rogers Communications Canada Inc.", [99, 224], Some([0x2607, 0xfea8])), network(577, "Bell Canada", [184, 144], None)),
    city("CA", "Vancouver", (49.2497, -123.1193, 10), network(6327, "Shaw Communications Inc.", [24, 80], Some([0x2604, 0x3d08])), network(852, "TELUS Communications Inc.", [209, 52], None)),
    city("BR", "São Paulo", (-23.5475, -46.6361, 20), network(27699, "TELEFÔNICA BRASIL S.A", [189, 46], Some([0x2804, 0x7f0])), network(26615, "TIM SA", [179, 240], None)),
    city("BR", "Manaus", (-3.1019, -60.025, 50), network(28573, "Claro NXT Telecomunicacoes Ltda", [177, 32], None), network(22085, "Claro S.A.", [187, 26], None)),
    city("BR", "Recife", (-8.0539, -34.8811, 50), network(7738, "V tal", [187, 78], None), network(18881, "TELEFÔNICA BRASIL S.A", [179, 176], None)),
    city("MX", "Mexico City", (19.4285, -99.1277, 20), network(8151, "UNINET", [187, 190], Some([0x2806, 0x2f0])), network(28403, "RadioMovil Dipsa, S.A. de C.V.", [200, 68], None)),
    city("AU", "Sydney", (-33.8678, 151.2073, 10), network(1221, "Telstra Limited", [110, 142], Some([0x2001, 0x8003])), network(4804, "Microplex PTY LTD", [49, 180], None)),
    city("AU", "Perth", (-31.9522, 115.8614, 10), network(4739, "Internode Pty Ltd", [203, 59], None), network(133_612, "Vodafone Australia Pty Ltd", [1, 144], Some([0x2405, 0x6e00]))),
    city("IN", "Mumbai", (19.0728, 72.8826, 50), network(24560, "Bharti Airtel Ltd.", [122, 169], None), network(55836, "Reliance Jio Infocomm Limited", [49, 36], Some([0x2409, 0x4040]))),
    city("IN", "Delhi", (28.652, 77.2315, 50), network(9829, "National Internet Backbone", [117, 199], None), network(45609, "Bharti Airtel Ltd. AS for GPRS Service", [106, 192], Some([0x2401, 0x4900]))),
    city("IN", "Chennai", (13.0878, 80.2785, 50), network(17488, "Hathway IP Over Cable Internet", [116, 72], None), network(38266, "Vodafone Idea Ltd.", [42, 104], None)),
    city("JP", "Tokyo", (35.6895, 139.6917, 10), network(4713, "NTT Communications Corporation", [153, 232], Some([0x2400, 0x4050])), network(9605, "NTT DOCOMO, INC.", [49, 96], None)),
    city("JP", "Sapporo", (43.0667, 141.35, 20), network(2516, "KDDI CORPORATION", [106, 154], Some([0x240f, 0x3d])), network(17676, "SoftBank Corp.", [126, 33], None)),
    city("KR", "Seoul", (37.566, 126.9784, 10), network(4766, "Korea Telecom", [121, 134], None), network(9644, "SK Telecom", [223, 38], None)),
    city("SG", "Singapore", (1.2897, 103.8501, 5), network(3758, "SingNet Pte Ltd", [116, 14], None), network(45143, "SINGTEL MOBILE INTERNET SERVICE", [118, 200], None)),
    city("ZA", "Johannesburg", (-26.2023, 28.0436, 20), network(37457, "Telkom SA Ltd.", [105, 224], None), network(16637, "MTN SA", [41, 112], None)),
    city("KE", "Nairobi", (-1.2833, 36.8167, 50), network(33771, "Safaricom Limited", [105, 160], None), network(36926, "Airtel Networks Kenya", [102, 68], None)),
    city("AE", "Dubai", (25.0772, 55.3093, 20), network(5384, "EMIRATES TELECOMMUNICATIONS", [94, 200], None), network(15802, "Emirates Integrated Telecom", [5, 192], None)),
];

/// Where rented machines stand: stolen tokens are used from here. The city gives the place, its networks do not count.
#[rustfmt::skip]
pub(super) static HOSTING: [(&str, Network); 6] = [
    ("NL", network(14061, "DigitalOcean, LLC", [188, 166], None)),
    ("FR", network(16276, "OVH SAS", [51, 68], None)),
    ("DE", network(24940, "Hetzner Online GmbH", [116, 202], None)),
    ("GB", network(9009, "M247 Europe SRL", [185, 107], None)),
    ("SG", network(45102, "Alibaba US Technology Co., Ltd.", [47, 236], None)),
    ("BR", network(262_287, "Latitude.sh LTDA", [177, 54], None)),
];

/// The clouds in which service accounts run.
#[rustfmt::skip]
pub(super) static CLOUDS: [(&str, Network); 3] = [
    ("DE", network(16509, "Amazon.com, Inc.", [3, 120], None)),
    ("US", network(396_982, "Google LLC", [34, 86], None)),
    ("NL", network(8075, "Microsoft Corporation", [20, 50], None)),
];

/// A piece of software that tokens are issued to.
#[derive(Debug)]
pub(super) struct Client {
    pub id: &'static str,
    /// How long its access tokens live.
    pub token_ttl_ms: i64,
    pub user_agents: &'static [&'static str],
}

const MINUTE_MS: i64 = 60_000;

static DESKTOP_BROWSERS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
];

/// Desktop clients of people: the first device.
pub(super) static DESKTOP_CLIENTS: [Client; 4] = [
    Client { id: "web-portal", token_ttl_ms: 10 * MINUTE_MS, user_agents: &DESKTOP_BROWSERS },
    Client { id: "back-office", token_ttl_ms: 15 * MINUTE_MS, user_agents: &DESKTOP_BROWSERS },
    Client { id: "reports-spa", token_ttl_ms: 10 * MINUTE_MS, user_agents: &DESKTOP_BROWSERS },
    Client {
        id: "developer-cli",
        token_ttl_ms: 60 * MINUTE_MS,
        user_agents: &["acme-cli/4.2.1 (linux; amd64)", "acme-cli/4.2.1 (darwin; arm64)"],
    },
];

/// Clients on telephones: the second device.
pub(super) static MOBILE_CLIENTS: [Client; 2] = [
    Client {
        id: "ios-app",
        token_ttl_ms: 30 * MINUTE_MS,
        user_agents: &["Acme/7.31.0 (iPhone16,2; iOS 18.6.2; Scale/3.00) CFNetwork/1498.700.2"],
    },
    Client {
        id: "android-app",
        token_ttl_ms: 30 * MINUTE_MS,
        user_agents: &[
            "Acme/7.30.2 (Android 15; Pixel 8) okhttp/4.12.0",
            "Acme/7.31.0 (Android 14; SM-S921B) okhttp/4.12.0",
        ],
    },
];

/// What service accounts are written in.
pub(super) static MACHINE_CLIENT: Client = Client {
    id: "machine",
    token_ttl_ms: 60 * MINUTE_MS,
    user_agents: &["Go-http-client/2.0", "Java-http-client/21.0.4", "python-httpx/0.28.1", "okhttp/4.12.0"],
};

pub(super) static ATTACK_TOOL: &str = "python-requests/2.32.5";
pub(super) static STOLEN_SESSION_BROWSER: &str = DESKTOP_BROWSERS[3];

/// An issuer with its signing key.
#[derive(Debug)]
pub(super) struct Issuer {
    pub url: &'static str,
    pub kid: &'static str,
    pub alg: &'static str,
}

pub(super) static STAFF: Issuer = Issuer { url: "https://id.acme.example/staff", kid: "st-2026-01", alg: "RS256" };
pub(super) static CUSTOMERS: Issuer = Issuer { url: "https://id.acme.example/users", kid: "cu-2025-11", alg: "ES256" };
pub(super) static MACHINES: Issuer = Issuer { url: "https://id.acme.example/robots", kid: "ro-2026-01", alg: "RS256" };

/// Services in order of popularity; beyond these the names repeat with a number.
#[rustfmt::skip]
pub(super) static SERVICES: [&str; 40] = [
    "catalog", "search", "orders", "accounts", "cart", "pricing", "media", "notifications", "payments", "inventory",
    "shipping", "reviews", "invoices", "recommendations", "documents", "reports", "tickets", "calendar", "messages", "loyalty",
    "returns", "suppliers", "warehouse", "contracts", "payroll", "expenses", "approvals", "directory", "audit-trail", "ledger",
    "tax", "treasury", "forecasts", "experiments", "feature-flags", "secrets", "deployments", "billing-export", "data-lake", "compliance",
];

pub(super) static GIVEN_NAMES: [&str; 40] = [
    "ada", "aiko", "amir", "ana", "ben", "bo", "carla", "chen", "dana", "david", "elif", "emma", "fatou", "felix",
    "grace", "hugo", "ines", "ivan", "jana", "joao", "kim", "lars", "lea", "luis", "maya", "mia", "nadia", "noah",
    "olga", "omar", "paula", "priya", "ravi", "rosa", "sara", "tariq", "tom", "uma", "yuki", "zoe",
];

pub(super) static SURNAMES: [&str; 40] = [
    "ahmed",
    "almeida",
    "andersson",
    "bauer",
    "becker",
    "brown",
    "costa",
    "davis",
    "diaz",
    "dubois",
    "fischer",
    "garcia",
    "gruber",
    "haddad",
    "hansen",
    "huber",
    "ito",
    "ivanova",
    "jansen",
    "jones",
    "kamau",
    "keller",
    "khan",
    "kowalski",
    "lee",
    "lopez",
    "martin",
    "moreau",
    "mueller",
    "ndlovu",
    "novak",
    "okafor",
    "patel",
    "rossi",
    "sato",
    "silva",
    "singh",
    "smith",
    "tanaka",
    "wang",
];

pub(super) static MACHINE_NAMES: [&str; 10] = [
    "svc-billing-sync",
    "svc-report-builder",
    "svc-mail-relay",
    "svc-stock-feed",
    "svc-backup",
    "svc-search-indexer",
    "svc-invoice-export",
    "svc-metrics",
    "svc-ci-deployer",
    "svc-data-loader",
];

/// The catalogue's city of a country that has one, or its first.
pub(super) fn city_in(country: &str) -> &'static City {
    CITIES.iter().find(|city| city.country == country).unwrap_or(&CITIES[0])
}

/// Another city of the same country, and so at least 800 km away; `None` where the catalogue has no second one.
pub(super) fn distant_city(home: &City) -> Option<&'static City> {
    CITIES.iter().find(|city| city.country == home.country && city.name != home.name)
}
