//! What to do about a kind of problem, where nothing more fitting is known of the very case.
//!
//! So that no problem comes without a way out. A hint that knows the case (the nearest name, the value to write) stands
//! where the problem is found and goes before these.

use super::problem::Code;

/// A hint that fits every problem of a code.
pub(super) const fn advice(code: Code) -> &'static str {
    match code {
        Code::YamlSyntax => {
            "look for an indentation, a quote or a bracket that does not fit, here or on the line before"
        }
        Code::YamlTooLarge => {
            "split the file, and nest less deeply: long lists of values belong into a list for expand"
        }
        Code::DuplicateKey => "keep one of them; values of one field go into a list",
        Code::WrongType => "see the examples of docs/rules.md, or let your editor check it: tokenwatch schema rule",
        Code::NoBody => "add one of \"detection\", \"correlation\", \"anomaly\" and \"filter\"",
        Code::SeveralBodies => "give each a document of its own, with \"---\" between them",
        Code::UnknownAction => "write global, reset or repeat",
        Code::MissingKey => "add it",
        Code::UnknownKey => "remove it: it means nothing here",
        Code::MisplacedKey => "remove it, or choose the type of rule that has it",
        Code::BadName => "write at least one letter or digit",
        Code::DuplicateName => "give one of them another name",
        Code::BadId => "write a UUID, as uuidgen makes them",
        Code::BadLevel => "write informational, low, medium, high or critical",
        Code::BadStatus => "write stable, test, experimental, deprecated or unsupported",
        Code::TimespanWithoutUnit | Code::BadTimespan => {
            "write a whole number above 0 and one unit, at most 10000 days, as in \"90s\", \"5m\", \"1h\" or \"7d\""
        }
        Code::BadNumber => "write a number within the range, without quotes or unit, as in \"gte: 5\"",
        Code::EmptySelection => "write at least one value, or remove it",
        Code::UnknownModifier => "the modifiers are those of Sigma 2.1; docs/rules.md lists them",
        Code::ModifierConflict => "keep one of them; what belongs to different modifiers goes into a field each",
        Code::BadValue => "write a value that the modifiers of the field can use, or take other modifiers",
        Code::BadRegex => "correct the expression, or use contains, startswith or endswith where they will do",
        Code::BadNetwork => "write an address and a prefix length, as in \"10.0.0.0/8\" or \"2001:db8::/32\"",
        Code::UnknownList => "put its values into NAME.txt in a folder of rules.lists",
        Code::ExpansionTooLarge => "split the rule, or write fewer values, dashes and placeholders in one text",
        Code::BadCondition => {
            "join the names of selections with \"and\", \"or\", \"not\" and ( ), or write \"1 of name*\" or \"all of them\""
        }
        Code::UnknownSelection => "define it in the detection, or remove it from the condition",
        Code::UnknownType => "write one of the types of docs/rules.md",
        Code::EmptyCondition => "add one of gt, gte, lt, lte, eq, neq, as in \"gte: 5\"",
        Code::UnknownRule => "define it, or give the file that does besides this one",
        Code::AmbiguousRule => "refer to it by name",
        Code::DuplicateReference | Code::DuplicateGroup => "remove one of the two",
        Code::RuleCycle => "let the rules at the bottom refer to detections alone",
        Code::ChainTooDeep => "let it count what is further down in the chain, or leave out a step between",
        Code::TooManyInputs => "split it into correlations and correlate those",
        Code::TooManyRules | Code::TooManyFields => "spread the rules over several services",
        Code::FilterOfCorrelation => "name the detections that it refers to",
        Code::UnknownFile => "paths are relative to the test file",
        Code::BadEvent => "an event needs event.action; its fields may be in the defaults of the test or the file",
        Code::MissingId => "add \"id\" with a UUID, as uuidgen makes them",
        Code::DuplicateTitle => "give each a name",
        Code::DuplicateId => "give one of them a new id, as uuidgen makes them",
        Code::FilterWithoutNot => "to exclude them, write \"not\" before the condition",
        Code::FilterLogsource => "give both the same logsource",
        Code::CaseInsensitiveIdentity => "add the modifier cased",
        Code::WildcardInScope => "write \\* for a plain *",
        Code::UnreachableRule => "look at what contradicts: as it is, the rule never fires",
        Code::UnusedSelection => "name it in the condition, or remove it",
        Code::AllOfOne => "remove \"all\", or give it several values",
        Code::WindowTooLong => "shorten the timespan, or raise state.kept_max",
        Code::ThresholdAboveLimit => "raise the limit, or lower the threshold",
        Code::OptionalGroup => "add \"|exists: true\" for the field to the detection",
        Code::MutedRule => "say \"generate: true\" in the rule that counts it, if it is to alert as well",
        Code::TakenLiterally => "say with a modifier what it is, or leave it if it is meant as it stands",
        Code::CustomSetting => "move it to where it means something, or give the custom field another name",
        Code::LevelWithoutTags => "add the technique, as in \"tags: [attack.t1550.001]\"",
        Code::UnknownField => "tokenwatch schema event lists the fields; events may have others besides",
        Code::UnknownValue | Code::UnknownLogsource => "tokenwatch schema event says what the native event has",
    }
}
