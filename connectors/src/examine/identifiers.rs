//! Names of columns that say that their values identify a person: NHS numbers, names, addresses, dates of birth as text.

use peristyle_opt_out::connector::{ColumnClass, RawType};

/// Texts of an identifier's name, found anywhere in a column's name, whatever its case and whatever stands between its words.
const WITHIN: [&str; 14] = [
    "nhsnumber",
    "nhsnum",
    "surname",
    "forename",
    "initials",
    "postcode",
    "zipcode",
    "address",
    "email",
    "phone",
    "dateofbirth",
    "birthdate",
    "nationalinsurance",
    "passport",
];
/// Words, or neighbouring words written as one, that are an identifier's name only as a whole.
const WHOLE: [&str; 12] =
    ["nhs", "nhsno", "nhsid", "dob", "tel", "telno", "mobile", "fax", "nino", "uprn", "chinumber", "hospitalnumber"];
/// Ends of words: `name`, `patientname`.
const ENDS: [&str; 2] = ["name", "names"];
/// Identifiers that are numbers, so that they can stand in a column of integers.
const NUMBERS: [&str; 11] =
    ["nhsnumber", "nhsnum", "nhsno", "nhsid", "nhs", "phone", "tel", "telno", "mobile", "fax", "chinumber"];
/// Most words of a name that are taken for one.
const WORDS_MAX: usize = 3;

/// The identifier that a column's name speaks of, if its values could be one: text of any class, and whole numbers. A date of
/// birth is one only as a text that is no date.
pub(super) fn named_in(column: &str, class: ColumnClass, column_type: RawType) -> Option<&'static str> {
    let found = identifier(column)?;
    let is_birth = matches!(found, "dob" | "dateofbirth" | "birthdate");
    match (column_type, class) {
        (RawType::Str, ColumnClass::Date) if is_birth => None,
        (RawType::Str, _) => Some(found),
        (RawType::Int, _) if NUMBERS.contains(&found) => Some(found),
        _ => None,
    }
}

fn identifier(column: &str) -> Option<&'static str> {
    let words = words(column);
    let fused = words.concat();
    let whole = || {
        let runs = (1..=WORDS_MAX).rev().flat_map(|count| words.windows(count)).map(<[String]>::concat);
        runs.into_iter().find_map(|run| WHOLE.into_iter().find(|known| *known == run))
    };
    let end = || words.iter().any(|word| ENDS.iter().any(|end| word.ends_with(end))).then_some("name");
    WITHIN.into_iter().find(|known| fused.contains(known)).or_else(whole).or_else(end)
}

/// The words of a name in lower case: `NHSNumber`, `nhs_number` and `nhsNumber` have two. Digits are none.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let (mut words, mut word) = (Vec::new(), String::new());
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let begins = character.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase())
                || characters.get(at + 1).is_some_and(|after| after.is_lowercase()));
        if begins || !character.is_alphabetic() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphabetic() {
            word.extend(character.to_lowercase());
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_known_by_their_names() {
        for (name, want) in [
            ("nhs_number", Some("nhsnumber")),
            ("NHSNumber", Some("nhsnumber")),
            ("NHSNUMBER", Some("nhsnumber")),
            ("nhsNumber", Some("nhsnumber")),
            ("pseudonhsnumber", Some("nhsnumber")),
            ("nhs-no", Some("nhsno")),
            ("NHS_No", Some("nhsno")),
            ("Name", Some("name")),
            ("patientName", Some("name")),
            ("PATIENTNAME", Some("name")),
            ("given_names", Some("name")),
            ("Forename1", Some("forename")),
            ("SURNAME", Some("surname")),
            ("PostCode", Some("postcode")),
            ("usual_post_code", Some("postcode")),
            ("eMail", Some("email")),
            ("e_mail", Some("email")),
            ("TelephoneNumber", Some("phone")),
            ("home_tel", Some("tel")),
            ("AddressLine1", Some("address")),
            ("DOB", Some("dob")),
            ("DateOfBirth", Some("dateofbirth")),
            ("date_of_birth", Some("dateofbirth")),
            ("birth_date", Some("birthdate")),
            ("snomed_concept_id", None),
            ("CTV3Code", None),
            ("MSOACode", None),
            ("Telomere_Length", None),
            ("namespace", None),
            ("Diagnosis", None),
            ("dobutamine", None),
            ("", None),
        ] {
            assert_eq!(identifier(name), want, "{name}");
        }
    }

    #[test]
    fn a_name_matters_where_values_can_be_what_it_says() {
        use ColumnClass::{Category, Code, Date, LinkKey, Number};
        for (name, class, column_type, is_refused) in [
            ("nhs_number", Code, RawType::Str, true),
            ("nhs_number", Category, RawType::Str, true),
            ("nhs_number", LinkKey, RawType::Str, true),
            ("nhs_number", LinkKey, RawType::Int, true),
            ("nhs_number", Number, RawType::Int, true),
            ("nhs_number", LinkKey, RawType::Bytes16, false),
            ("address_type", Category, RawType::Int, false),
            ("address_type", Category, RawType::Str, true),
            ("date_of_birth", Code, RawType::Str, true),
            ("date_of_birth", Date, RawType::Str, false),
            ("date_of_birth", Date, RawType::Date, false),
            ("surname", Date, RawType::Str, true),
            ("has_email", Category, RawType::Bool, false),
        ] {
            assert_eq!(named_in(name, class, column_type).is_some(), is_refused, "{name} {class:?} {column_type:?}");
        }
    }
}
