//! Layer maps: the teacher layer that each student layer learns from, g(m) in the paper.

use std::str::FromStr;

use tinybert_base::{Error, Result};

/// A layer map before the depths are known.
///
/// As text: `uniform`, `top`, `bottom`, or teacher layers counted from 1, such as `1,3,4,6`.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LayerMap {
    /// g(m) = m·N/M, as in the paper: every (N/M)-th teacher layer.
    #[default]
    Uniform,
    /// g(m) = m + N − M: the teacher's last layers.
    Top,
    /// g(m) = m: the teacher's first layers.
    Bottom,
    /// The given layers g(1), g(2), …
    Explicit(Vec<usize>),
}

impl LayerMap {
    /// Teacher layers for an explicit map that spreads the student's layers evenly over the teacher's and
    /// ends with the teacher's last layer.
    pub fn evenly_spread(student: usize, teacher: usize) -> Vec<usize> {
        (1..=student).map(|m| (m * teacher).div_ceil(student)).collect()
    }

    /// g(1) to g(M) for a student of `student` layers (M) and a teacher of `teacher` layers (N).
    ///
    /// # Errors
    /// [`Error::Usage`] if the map does not fit the depths.
    pub fn resolve(&self, student: usize, teacher: usize) -> Result<Vec<usize>> {
        let shallow_enough = || match student <= teacher {
            true => Ok(()),
            false => Err(Error::Usage(format!(
                "layer map {self}: the student's {student} layers are more than the teacher's {teacher}; \
                 give an explicit map of {student} teacher layers, such as {}",
                list(&Self::evenly_spread(student, teacher))
            ))),
        };
        match self {
            Self::Uniform if student == 0 || !teacher.is_multiple_of(student) => Err(Error::Usage(format!(
                "layer map uniform: the teacher's {teacher} layers are no multiple of the student's {student}; \
                 give an explicit map of {student} teacher layers, such as {}, or top or bottom",
                list(&Self::evenly_spread(student, teacher))
            ))),
            Self::Uniform => Ok((1..=student).map(|m| m * teacher / student).collect()),
            Self::Top => shallow_enough().map(|()| (1..=student).map(|m| m + teacher - student).collect()),
            Self::Bottom => shallow_enough().map(|()| (1..=student).collect()),
            Self::Explicit(layers) => {
                if layers.len() != student {
                    return Err(Error::Usage(format!(
                        "layer map {self}: expected {student} teacher layers, one for each student layer, found {}",
                        layers.len()
                    )));
                }
                if let Some(layer) = layers.iter().find(|&&layer| layer == 0 || layer > teacher) {
                    return Err(Error::Usage(format!(
                        "layer map {self}: {layer} is no teacher layer; they are counted from 1 to {teacher}"
                    )));
                }
                if !layers.is_sorted() {
                    return Err(Error::Usage(format!("layer map {self}: teacher layers must not go down")));
                }
                Ok(layers.clone())
            }
        }
    }
}

/// Layers as a list such as `1,3,4,6`.
fn list(layers: &[usize]) -> String {
    layers.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for LayerMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "top" => Ok(Self::Top),
            "bottom" => Ok(Self::Bottom),
            list => {
                let layers: Option<Vec<usize>> =
                    list.split(',').map(|layer| layer.trim().parse().ok()).collect();
                layers.map(Self::Explicit).ok_or_else(|| {
                    Error::Usage(format!(
                        "layer map {text:?}: expected uniform, top, bottom, or teacher layers such as 1,3,4,6"
                    ))
                })
            }
        }
    }
}

impl std::fmt::Display for LayerMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Top => f.write_str("top"),
            Self::Bottom => f.write_str("bottom"),
            Self::Explicit(layers) => f.write_str(&list(layers)),
        }
    }
}

impl TryFrom<String> for LayerMap {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LayerMap> for String {
    fn from(map: LayerMap) -> Self {
        map.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(map: &str, student: usize, teacher: usize) -> Result<Vec<usize>> {
        map.parse::<LayerMap>()?.resolve(student, teacher)
    }

    #[test]
    fn the_papers_maps_for_four_of_twelve_layers() {
        assert_eq!(resolve("uniform", 4, 12).unwrap(), [3, 6, 9, 12]);
        assert_eq!(resolve("top", 4, 12).unwrap(), [9, 10, 11, 12]);
        assert_eq!(resolve("bottom", 4, 12).unwrap(), [1, 2, 3, 4]);
        assert_eq!(resolve("1,3,4,6", 4, 6).unwrap(), [1, 3, 4, 6]);
        assert_eq!(resolve("1, 1, 2", 3, 2).unwrap(), [1, 1, 2]);
    }

    #[test]
    fn maps_that_do_not_fit_say_what_would() {
        for (map, student, teacher, expected) in [
            ("uniform", 4, 6, "such as 2,3,5,6"),
            ("uniform", 4, 2, "such as 1,1,2,2"),
            ("top", 4, 2, "explicit map of 4"),
            ("bottom", 4, 2, "explicit map of 4"),
            ("1,2,3", 4, 6, "expected 4 teacher layers"),
            ("0,1,2,3", 4, 6, "counted from 1 to 6"),
            ("1,2,3,7", 4, 6, "counted from 1 to 6"),
            ("3,2,5,6", 4, 6, "must not go down"),
            ("sideways", 4, 6, "expected uniform, top, bottom"),
            ("", 4, 6, "expected uniform, top, bottom"),
        ] {
            let error = resolve(map, student, teacher).unwrap_err();
            assert!(matches!(error, Error::Usage(_)));
            assert!(error.to_string().contains(expected), "{map}: {error}");
        }
    }

    #[test]
    fn text_survives_serialization() {
        for text in ["uniform", "top", "bottom", "1,3,4,6"] {
            let json = serde_json::to_string(&text.parse::<LayerMap>().unwrap()).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<LayerMap>(&json).unwrap().to_string(), text);
        }
    }
}
