//! Building HTML and SVG. Every text and attribute is escaped and every element is closed, so that the result
//! is also well-formed XML that any parser reads.

use std::fmt::{Display, Formatter, Result, Write};

/// Elements of HTML that have no closing tag.
const VOID: [&str; 2] = ["meta", "br"];

/// An element with its attributes and contents.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    contents: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// An empty element `<name></name>`.
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), contents: Vec::new() }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.retain(|(other, _)| *other != name);
        self.attributes.push((name, value.to_string()));
        self
    }

    /// Sets the class.
    #[must_use]
    pub fn class(self, name: impl Display) -> Self {
        self.attr("class", name)
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// Appends text.
    #[must_use]
    pub fn text(mut self, text: impl Display) -> Self {
        self.contents.push(Node::Text(text.to_string()));
        self
    }

    /// Appends an element.
    #[must_use]
    pub fn child(self, child: Self) -> Self {
        self.children([child])
    }

    /// Appends elements.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.contents.extend(children.into_iter().map(Node::Element));
        self
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter) -> Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            escape(f, value)?;
            f.write_char('"')?;
        }
        if VOID.contains(&self.name) {
            return f.write_str("/>");
        }
        f.write_char('>')?;
        // White space between elements has no effect if there is no text between them.
        let lines = self.contents.iter().all(|node| matches!(node, Node::Element(_)));
        for node in &self.contents {
            if lines {
                f.write_char('\n')?;
            }
            match node {
                Node::Element(element) => element.fmt(f)?,
                Node::Text(text) => escape(f, text)?,
            }
        }
        if lines && !self.contents.is_empty() {
            f.write_char('\n')?;
        }
        write!(f, "</{}>", self.name)
    }
}

/// Writes escaped text, for contents and attributes. Characters that XML does not allow, and characters that
/// change the direction of the following text, become U+FFFD.
fn escape(f: &mut Formatter, text: &str) -> Result {
    text.chars().try_for_each(|character| match character {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        '\n' | '\t' => f.write_char(character),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
            f.write_char('\u{fffd}')
        }
        _ if character.is_control() => f.write_char('\u{fffd}'),
        _ => f.write_char(character),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_stay_what_they_are() {
        let hostile = "<script>alert('a&b')</script>\"\u{0}\u{202e}";
        let written = Element::new("p").attr("title", hostile).text(hostile).to_string();
        let escaped = "&lt;script&gt;alert(&#39;a&amp;b&#39;)&lt;/script&gt;&quot;\u{fffd}\u{fffd}";
        assert_eq!(written, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn elements_beside_text_have_no_white_space_between() {
        let bold = Element::new("b").text("b");
        let paragraph = Element::new("p").text("a").child(bold.clone()).text("c").child(Element::new("br"));
        assert_eq!(paragraph.to_string(), "<p>a<b>b</b>c<br/></p>");
        assert_eq!(Element::new("p").child(bold).to_string(), "<p>\n<b>b</b>\n</p>");
    }
}
