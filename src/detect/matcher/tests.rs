//! The plan and the index against the definition of what a detection asks.

use proptest::prelude::*;

use super::*;
use crate::detect::fields::Slot;
use crate::detect::value::Number;

const FIELDS: [&str; 3] = ["a", "b", "c"];

fn table() -> FieldTable {
    let mut table = FieldTable::default();
    for field in FIELDS {
        table.slot(field);
    }
    table
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..FIELDS.len()).prop_map(|index| table().find(FIELDS[index]).expect("it is in the table"))
}

fn test() -> impl Strategy<Value = Test> {
    let pattern = |cased: bool| "[aB1]{0,2}".prop_map(move |text| Test::Text(Pattern::new([Piece::Text(text)], cased)));
    let glob = proptest::collection::vec(
        prop_oneof![
            2 => "[aB1]{1,3}".prop_map(Piece::Text),
            1 => Just(Piece::AnyMany),
            1 => Just(Piece::AnyOne),
        ],
        0..4,
    )
    .prop_map(|pieces| Test::Text(Pattern::new(pieces, false)));
    let literal = |text: &str| NumberLiteral { canonical: text.into(), value: text.parse().expect("a number") };
    prop_oneof![
        4 => pattern(false),
        1 => pattern(true),
        3 => glob,
        2 => proptest::collection::vec("[aB1]{1,2}", 1..9).prop_map(|texts| Test::OneOf(OneOf::new(texts, false))),
        2 => prop_oneof![Just("1"), Just("10"), Just("0"), Just("1.5"), Just("18446744073709551615")]
            .prop_map(move |text| Test::Number(literal(text))),
        1 => any::<bool>().prop_map(Test::Boolean),
        1 => Just(Test::Null),
        1 => Just(Test::Exists),
        1 => Just(Test::Compare(Comparison::Greater, 1.0)),
        1 => slot().prop_map(|other| Test::Field { other, relation: TextRelation::Equals, cased: false }),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = (slot(), test()).prop_map(|(slot, test)| Expr::Test(slot, test));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            parts.clone().prop_map(Expr::All),
            parts.prop_map(Expr::Any),
            inner.prop_map(|part| Expr::Not(Box::new(part))),
        ]
    })
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let numbers = ["1", "10", "1e1", "-0", "1.50", "18446744073709551615", "18446744073709551616", "1e999"];
    let number = proptest::sample::select(numbers.to_vec()).prop_map(|text| Value::Number(Number::Text(text)));
    let text = "[aAbB1\u{212a}]{0,5}|1e1|10\\.0|TRUE".prop_map(|text| Value::Text(text.into()));
    let scalar = prop_oneof![
        4 => text,
        3 => number,
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => Just(Value::Object),
        1 => any::<i8>().prop_map(|whole| Value::Number(Number::Integer(whole.into()))),
    ];
    prop_oneof![
        6 => scalar.clone(),
        2 => proptest::collection::vec(scalar, 0..3).prop_map(Value::List),
        1 => Just(Value::Absent),
    ]
}

fn logsource() -> impl Strategy<Value = LogSource> {
    let part = || proptest::sample::select(vec![None, Some("jwt"), Some("audit"), Some("other")]);
    (part(), part(), part()).prop_map(|(product, service, category)| LogSource {
        product: product.map(Into::into),
        service: service.map(Into::into),
        category: category.map(Into::into),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn plan_and_index_answer_as_the_definition_does(
        detections in proptest::collection::vec((logsource(), expr()), 1..6),
        source in logsource(),
        events in proptest::collection::vec(proptest::collection::vec(value(), FIELDS.len()), 1..6),
    ) {
        let detections: Vec<Detection> =
            detections.into_iter().map(|(logsource, expr)| Detection { logsource, expr }).collect();
        let simplified = detections.iter().cloned();
        let simplified = simplified.map(|one| Detection { expr: one.expr.simplified(), ..one }).collect();
        let (plain, simplified) = (Matcher::new(detections, &table()), Matcher::new(simplified, &table()));
        let mut labels = LabelSet::default();
        for event in events {
            let mut values = vec![Value::Absent; table().len() - FIELDS.len()];
            values.extend(event);
            let expected = plain.labels_naively(&source, &values);
            for matcher in [&plain, &simplified] {
                matcher.labels_in(&matcher.scope(&source), &values, &mut labels);
                prop_assert_eq!(&labels, &expected);
            }
        }
    }
}

#[test]
fn a_label_set_gives_its_labels_in_order() {
    let mut labels = LabelSet::default();
    labels.reset(130);
    for label in [129, 0, 64, 63] {
        labels.insert(label);
    }
    assert_eq!(labels.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
    assert!(labels.contains(129) && !labels.contains(1) && !labels.contains(1000));
    labels.reset(1);
    assert!(labels.is_empty());
}
