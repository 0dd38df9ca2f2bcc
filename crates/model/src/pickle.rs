//! A reader for the one kind of pickle that `torch.save` writes for a state dictionary.
//!
//! Nothing in a pickle is ever called. The few callables that a state dictionary needs are known by name, and
//! all others are refused. Lengths are bounded by the bytes that are there, and nesting is bounded, so that
//! the work and the memory are in proportion to the pickle.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A tensor of a state dictionary: a strided view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StridedView {
    /// Number format: the storage class without `Storage`, `Float` for example.
    pub(super) format: Rc<str>,
    /// Name of the storage's entry in the archive.
    pub(super) key: Rc<str>,
    /// First element in the storage.
    pub(super) offset: u64,
    /// Shape.
    pub(super) shape: Vec<u64>,
    /// Elements between neighbours along each axis.
    pub(super) strides: Vec<u64>,
}

/// A value on the unpickler's stack.
#[derive(Clone)]
enum Value {
    /// A value that state dictionaries carry and nothing here reads.
    Unread,
    Mark,
    Integer(i64),
    Text(Rc<str>),
    /// A module and a name in it, with a space between.
    Global(Rc<str>),
    Tuple(Rc<Tuple>),
    Dictionary(Rc<RefCell<Entries>>),
    Storage(Rc<TensorStorage>),
    Tensor(Rc<StridedView>),
}

/// The tensors of a dictionary by name; other entries are dropped.
type Entries = Vec<(Rc<str>, Rc<StridedView>)>;

struct Tuple {
    items: Vec<Value>,
    depth: u32,
}

struct TensorStorage {
    format: Rc<str>,
    key: Rc<str>,
}

/// Most axes of a tensor. A pickle can name one long tuple as the shape of many tensors, and each has its own copy.
const MOST_AXES: usize = 8;

/// Bytes of the longest name of a storage, which each of its tensors looks up.
const LONGEST_NAME: usize = 256;

/// Greatest nesting of tuples; a state dictionary needs three levels.
const DEEPEST: u32 = 8;

type PickleResult<T> = Result<T, String>;

/// The tensors of a pickled state dictionary by name, in its order.
///
/// # Errors
/// Says where the pickle differs from what `torch.save` writes for a state dictionary.
pub(super) fn state_dictionary(bytes: &[u8]) -> PickleResult<Vec<(String, StridedView)>> {
    let mut machine = Machine { bytes, stack: Vec::new(), memo: HashMap::new() };
    while machine.step()? {}
    match machine.pop()? {
        Value::Dictionary(entries) => {
            let entries = entries.take();
            let mut names = HashSet::new();
            match entries.iter().find(|(name, _)| !names.insert(&**name)) {
                Some((name, _)) => Err(format!("it has the tensor {name:?} twice")),
                None => Ok(entries.iter().map(|(name, view)| (name.to_string(), (**view).clone())).collect()),
            }
        }
        _ => Err("it holds something else than a state dictionary".to_owned()),
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

impl Machine<'_> {
    /// Follows one instruction (names as in Python's `pickletools`); false at the end.
    fn step(&mut self) -> PickleResult<bool> {
        let [instruction] = self.take()?;
        match instruction {
            b'.' => return Ok(false),                                                // STOP
            0x80 => self.take().map(|[_version]| ())?,                               // PROTO
            b'(' => self.stack.push(Value::Mark),                                    // MARK
            b'N' | 0x88 | 0x89 | b']' => self.stack.push(Value::Unread), // NONE, NEWTRUE, NEWFALSE, EMPTY_LIST
            b'}' => self.stack.push(Value::Dictionary(Rc::default())),   // EMPTY_DICT
            b')' => self.push_tuple(Vec::new())?,                        // EMPTY_TUPLE
            b'G' => self.take().map(|_: [u8; 8]| self.stack.push(Value::Unread))?, // BINFLOAT
            b'K' => self.take().map(|[n]| self.push_integer(n))?,        // BININT1
            b'M' => self.take().map(|n| self.push_integer(u16::from_le_bytes(n)))?, // BININT2
            b'J' => self.take().map(|n| self.push_integer(i32::from_le_bytes(n)))?, // BININT
            0x8a => self.long()?,                                        // LONG1
            b'X' => self.text()?,                                        // BINUNICODE
            b'c' => self.global()?,                                      // GLOBAL
            b'q' => self.take().and_then(|[n]| self.remember(n.into()))?, // BINPUT
            b'r' => self.take().and_then(|n| self.remember(u32::from_le_bytes(n)))?, // LONG_BINPUT
            b'h' => self.take().and_then(|[n]| self.recall(n.into()))?,  // BINGET
            b'j' => self.take().and_then(|n| self.recall(u32::from_le_bytes(n)))?, // LONG_BINGET
            0x85..=0x87 => {
                // TUPLE1, TUPLE2, TUPLE3
                let start = self.stack.len().checked_sub(usize::from(instruction - 0x84)).ok_or(EMPTY)?;
                let items = self.stack.split_off(start);
                self.push_tuple(items)?;
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push_tuple(items)?;
            } // TUPLE
            b'a' | b'b' => self.pop().map(|_| ())?,  // APPEND, BUILD
            b'e' => self.pop_to_mark().map(|_| ())?, // APPENDS
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            } // SETITEM
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            } // SETITEMS
            b'Q' => self.storage()?,                 // BINPERSID
            b'R' => self.reduce()?,                  // REDUCE
            other => return Err(format!("instruction {other:#04x} does not belong in a state dictionary")),
        }
        Ok(true)
    }

    fn take<const N: usize>(&mut self) -> PickleResult<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or("it ends early")?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn pop(&mut self) -> PickleResult<Value> {
        self.stack.pop().ok_or_else(|| EMPTY.to_owned())
    }

    /// Takes the values above the last mark, and the mark, from the stack.
    fn pop_to_mark(&mut self) -> PickleResult<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(EMPTY)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn push_integer(&mut self, value: impl Into<i64>) {
        self.stack.push(Value::Integer(value.into()));
    }

    fn push_tuple(&mut self, items: Vec<Value>) -> PickleResult<()> {
        let deepest =
            items.iter().map(|item| if let Value::Tuple(tuple) = item { tuple.depth } else { 0 }).max();
        let depth = deepest.unwrap_or(0) + 1;
        if depth > DEEPEST {
            return Err(format!("it has tuples nested more than {DEEPEST} deep"));
        }
        self.stack.push(Value::Tuple(Rc::new(Tuple { items, depth })));
        Ok(())
    }

    fn long(&mut self) -> PickleResult<()> {
        let [length] = self.take()?;
        let mut value = [0; 8];
        if usize::from(length) > value.len() {
            return Err(format!("it has an integer of {length} bytes"));
        }
        for byte in &mut value[..usize::from(length)] {
            [*byte] = self.take()?;
        }
        // No state dictionary has negative integers, which are in two's complement of `length` bytes.
        self.push_integer(i64::from_le_bytes(value));
        Ok(())
    }

    fn text(&mut self) -> PickleResult<()> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (text, rest) = self.bytes.split_at_checked(length).ok_or("it ends within a text")?;
        self.bytes = rest;
        let text = std::str::from_utf8(text).map_err(|_| "it has a text that is not UTF-8")?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn global(&mut self) -> PickleResult<()> {
        let mut lines = [""; 2];
        for line in &mut lines {
            let end = self.bytes.iter().position(|byte| *byte == b'\n').ok_or("it ends within a name")?;
            let (name, rest) = self.bytes.split_at(end);
            *line = std::str::from_utf8(name).map_err(|_| "it has a name that is not UTF-8")?;
            self.bytes = &rest[1..];
        }
        self.stack.push(Value::Global(lines.join(" ").into()));
        Ok(())
    }

    fn remember(&mut self, number: u32) -> PickleResult<()> {
        let value = self.stack.last().ok_or(EMPTY)?.clone();
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, number: u32) -> PickleResult<()> {
        let value = self.memo.get(&number).ok_or("it refers to something it has not remembered")?;
        self.stack.push(value.clone());
        Ok(())
    }

    /// Puts keys and values into the dictionary on top of the stack, which only needs to keep tensors.
    fn set_items(&mut self, items: &[Value]) -> PickleResult<()> {
        let Some(Value::Dictionary(entries)) = self.stack.last() else {
            return Err("it sets items of something else than a dictionary".to_owned());
        };
        for pair in items.chunks(2) {
            if let [Value::Text(key), Value::Tensor(view)] = pair {
                entries.borrow_mut().push((key.clone(), view.clone()));
            }
        }
        Ok(())
    }

    /// `('storage', class, key, device, elements)` becomes a storage.
    fn storage(&mut self) -> PickleResult<()> {
        let id = self.pop_tuple()?;
        let [Value::Text(kind), Value::Global(class), Value::Text(key), _, _] = id.items.as_slice() else {
            return Err("it refers to something else than a storage".to_owned());
        };
        let format = class.strip_prefix("torch ").and_then(|class| class.strip_suffix("Storage"));
        let Some(format) = format.filter(|_| &**kind == "storage") else {
            return Err(format!("it refers to a {class}, which is no storage"));
        };
        if class.len() > LONGEST_NAME || key.len() > LONGEST_NAME {
            return Err(format!("it has a storage with a name of more than {LONGEST_NAME} bytes"));
        }
        self.stack.push(Value::Storage(Rc::new(TensorStorage { format: format.into(), key: key.clone() })));
        Ok(())
    }

    /// Computes the result of one of the few calls that a state dictionary has.
    fn reduce(&mut self) -> PickleResult<()> {
        let arguments = self.pop_tuple()?;
        let Value::Global(callable) = self.pop()? else {
            return Err("it calls something that has no name".to_owned());
        };
        let value = match (&*callable, arguments.items.as_slice()) {
            ("collections OrderedDict", []) => Value::Dictionary(Rc::default()),
            ("torch._utils _rebuild_parameter", [tensor @ Value::Tensor(_), ..]) => tensor.clone(),
            (
                "torch._utils _rebuild_tensor_v2",
                [
                    Value::Storage(storage),
                    Value::Integer(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    ..,
                ],
            ) => Value::Tensor(Rc::new(StridedView {
                format: storage.format.clone(),
                key: storage.key.clone(),
                offset: u64::try_from(*offset).map_err(|_| "it has a negative offset")?,
                shape: integers(shape)?,
                strides: integers(strides)?,
            })),
            (other, _) => return Err(format!("it calls {other}, which no state dictionary needs")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop_tuple(&mut self) -> PickleResult<Rc<Tuple>> {
        match self.pop()? {
            Value::Tuple(tuple) => Ok(tuple),
            _ => Err("it lacks a tuple".to_owned()),
        }
    }
}

const EMPTY: &str = "it takes more from its stack than there is";

fn integers(tuple: &Tuple) -> PickleResult<Vec<u64>> {
    if tuple.items.len() > MOST_AXES {
        return Err(format!("it has a tensor of {} axes, at most {MOST_AXES} are read", tuple.items.len()));
    }
    let integer = |item: &Value| match item {
        Value::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    };
    tuple
        .items
        .iter()
        .map(|item| integer(item).ok_or_else(|| "it has a shape that is not of sizes".to_owned()))
        .collect()
}
