//! Calls that the parser replaces: `has`, the loops over lists and maps, and the loops over optional values.

use super::ast::{ACCUMULATOR, Expr, Fold, Kind, Literal, Name};
use super::build::{Builder, Stop};

/// Why a macro cannot be expanded.
enum Refusal {
    Stop(Stop),
    /// Its arguments do not fit.
    Arguments {
        at: u32,
        message: String,
    },
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

type Expansion = Result<Expr, Refusal>;

/// A call, expanded if a macro has its name and shape.
pub(super) fn call(
    build: &mut Builder,
    at: u32,
    name: &Name,
    target: Option<Expr>,
    args: Vec<Expr>,
) -> Result<Expr, Stop> {
    let mut site = Site { build, at };
    let expanded = match (&**name, &target, args.as_slice()) {
        ("has", None, [arg]) => site.has(arg),
        ("all" | "exists" | "exists_one", Some(range), [first, test]) => {
            site.quantifier(name, range, first, None, test)
        }
        ("all" | "exists" | "exists_one" | "existsOne", Some(range), [first, second, test]) => {
            site.quantifier(name, range, first, Some(second), test)
        }
        ("map", Some(range), [first, body]) => site.map(range, first, None, body),
        ("map", Some(range), [first, filter, body]) => site.map(range, first, Some(filter), body),
        ("filter", Some(range), [first, filter]) => site.map(range, first, Some(filter), first),
        ("transformList" | "transformMap" | "transformMapEntry", Some(range), [first, second, rest @ ..])
            if matches!(rest.len(), 1 | 2) =>
        {
            site.transform(name, range, first, second, rest)
        }
        ("optMap" | "optFlatMap", Some(target), [first, body]) => site.optional(name, target, first, body),
        ("sortBy", Some(target), [first, body]) => site.sort_by(target, first, body),
        _ => {
            return match target {
                Some(target) => build.member(at, name, target, args),
                None => build.call(at, name, args),
            };
        }
    };
    match expanded {
        Ok(expr) => Ok(expr),
        Err(Refusal::Stop(stop)) => Err(stop),
        Err(Refusal::Arguments { at, message }) => build.complain(at, message),
    }
}

/// Where a macro stands; all that it makes is placed there.
struct Site<'b> {
    build: &'b mut Builder,
    at: u32,
}

/// The names a loop gives to what it goes over.
struct Variables {
    first: Name,
    second: Option<Name>,
}

impl Site<'_> {
    fn literal(&mut self, literal: Literal) -> Result<Expr, Stop> {
        self.build.literal(self.at, literal)
    }

    fn ident(&mut self, name: &str) -> Result<Expr, Stop> {
        self.build.ident(self.at, name)
    }

    fn accumulator(&mut self) -> Result<Expr, Stop> {
        self.ident(ACCUMULATOR)
    }

    fn call(&mut self, function: &str, args: Vec<Expr>) -> Result<Expr, Stop> {
        self.build.call(self.at, function, args)
    }

    fn has(&mut self, arg: &Expr) -> Expansion {
        let Kind::Select(select) = &arg.kind else {
            return Err(refuse(arg, "invalid argument to has() macro"));
        };
        Ok(self.build.select(self.at, select.operand.clone(), select.field.clone(), true)?)
    }

    fn quantifier(
        &mut self,
        name: &str,
        range: &Expr,
        first: &Expr,
        second: Option<&Expr>,
        test: &Expr,
    ) -> Expansion {
        let variables = variables(first, second, "argument must be a simple name")?;
        let accumulator = self.accumulator()?;
        let test = test.clone();
        let (init, condition, step, result) = match name {
            "all" => {
                let init = self.literal(Literal::Bool(true))?;
                let condition = self.call("@not_strictly_false", vec![accumulator])?;
                let accumulator = self.accumulator()?;
                let step = self.call("_&&_", vec![accumulator, test])?;
                (init, condition, step, self.accumulator()?)
            }
            "exists" => {
                let init = self.literal(Literal::Bool(false))?;
                let negated = self.call("!_", vec![accumulator])?;
                let condition = self.call("@not_strictly_false", vec![negated])?;
                let accumulator = self.accumulator()?;
                let step = self.call("_||_", vec![accumulator, test])?;
                (init, condition, step, self.accumulator()?)
            }
            _ => {
                let init = self.literal(Literal::Int(0))?;
                let condition = self.literal(Literal::Bool(true))?;
                let one = self.literal(Literal::Int(1))?;
                let next = self.call("_+_", vec![accumulator, one])?;
                let same = self.accumulator()?;
                let step = self.call("_?_:_", vec![test, next, same])?;
                let (accumulator, one) = (self.accumulator()?, self.literal(Literal::Int(1))?);
                (init, condition, step, self.call("_==_", vec![accumulator, one])?)
            }
        };
        self.fold(range, variables, [init, condition, step, result])
    }

    fn map(&mut self, range: &Expr, first: &Expr, filter: Option<&Expr>, body: &Expr) -> Expansion {
        let variables = variables(first, None, "argument is not an identifier")?;
        self.collect(range, variables, filter, body)
    }

    /// A loop that makes a list.
    fn collect(
        &mut self,
        range: &Expr,
        variables: Variables,
        filter: Option<&Expr>,
        body: &Expr,
    ) -> Expansion {
        let init = self.build.list(self.at, Vec::new())?;
        let accumulator = self.accumulator()?;
        let element = self.build.list(self.at, vec![body.clone()])?;
        let step = self.call("_+_", vec![accumulator, element])?;
        self.gather(range, variables, init, filter, step)
    }

    /// A loop that makes a list or a map by steps, leaving out what the filter refuses.
    fn gather(
        &mut self,
        range: &Expr,
        variables: Variables,
        init: Expr,
        filter: Option<&Expr>,
        step: Expr,
    ) -> Expansion {
        let condition = self.literal(Literal::Bool(true))?;
        let step = match filter {
            None => step,
            Some(filter) => {
                let same = self.accumulator()?;
                self.call("_?_:_", vec![filter.clone(), step, same])?
            }
        };
        let result = self.accumulator()?;
        self.fold(range, variables, [init, condition, step, result])
    }

    fn transform(
        &mut self,
        name: &str,
        range: &Expr,
        first: &Expr,
        second: &Expr,
        rest: &[Expr],
    ) -> Expansion {
        let variables = variables(first, Some(second), "argument must be a simple name")?;
        let (filter, body) = match rest {
            [filter, body] => (Some(filter), body),
            [body] => (None, body),
            _ => return Err(refuse(first, "argument must be a simple name")),
        };
        if name == "transformList" {
            return self.collect(range, variables, filter, body);
        }
        let init = self.build.node(self.at, Kind::Map(Vec::new()))?;
        let mut args = vec![self.accumulator()?];
        if name == "transformMap" {
            args.push(self.ident(&variables.first)?);
        }
        args.push(body.clone());
        let step = self.call("cel.@mapInsert", args)?;
        self.gather(range, variables, init, filter, step)
    }

    fn optional(&mut self, name: &str, target: &Expr, first: &Expr, body: &Expr) -> Expansion {
        let Kind::Ident(variable) = &first.kind else {
            return Err(refuse(first, &format!("{name}() variable name must be a simple identifier")));
        };
        let test = self.build.member(self.at, "hasValue", target.clone(), Vec::new())?;
        let copy = self.build.copy(target)?;
        let value = self.build.member(self.at, "value", copy, Vec::new())?;
        let bound = self.bind(variable, value, body.clone())?;
        let then = if name == "optMap" { self.call("optional.of", vec![bound])? } else { bound };
        let otherwise = self.call("optional.none", Vec::new())?;
        Ok(self.call("_?_:_", vec![test, then, otherwise])?)
    }

    fn sort_by(&mut self, target: &Expr, first: &Expr, body: &Expr) -> Expansion {
        const INPUT: &str = "@__sortBy_input__";
        if matches!(target.kind, Kind::Literal(_) | Kind::Map(_) | Kind::Struct(_) | Kind::Missing) {
            let message =
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return Err(refuse(target, message));
        }
        let input = self.ident(INPUT)?;
        let keys = self.map(&input, first, None, body)?;
        let input = self.ident(INPUT)?;
        let sorted = self.build.member(self.at, "@sortByAssociatedKeys", input, vec![keys])?;
        self.bind(INPUT, target.clone(), sorted)
    }

    /// Gives a value a name within a body.
    fn bind(&mut self, name: &str, value: Expr, body: Expr) -> Expansion {
        let range = self.build.list(self.at, Vec::new())?;
        let condition = self.literal(Literal::Bool(false))?;
        let step = self.ident(name)?;
        let fold = Fold {
            range,
            first: "#unused".into(),
            second: None,
            accumulator: name.into(),
            init: value,
            condition,
            step,
            result: body,
        };
        Ok(self.build.fold(self.at, fold)?)
    }

    fn fold(&mut self, range: &Expr, variables: Variables, parts: [Expr; 4]) -> Expansion {
        let [init, condition, step, result] = parts;
        let Variables { first, second } = variables;
        let (range, accumulator) = (range.clone(), ACCUMULATOR.into());
        let fold = Fold { range, first, second, accumulator, init, condition, step, result };
        Ok(self.build.fold(self.at, fold)?)
    }
}

fn variables(first: &Expr, second: Option<&Expr>, message: &str) -> Result<Variables, Refusal> {
    let name = |expr: &Expr| match &expr.kind {
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err(refuse(expr, message)),
    };
    let overwrites = "iteration variable overwrites accumulator variable";
    let found = Variables { first: name(first)?, second: second.map(name).transpose()? };
    if second.is_some() && found.second.as_ref() == Some(&found.first) {
        let message = format!("duplicate variable name: {}", found.first);
        return Err(refuse(second.unwrap_or(first), &message));
    }
    if &*found.first == "__result__" {
        return Err(refuse(first, overwrites));
    }
    match (&found.second, second) {
        (Some(name), Some(second)) if &**name == "__result__" => Err(refuse(second, overwrites)),
        _ => Ok(found),
    }
}

fn refuse(expr: &Expr, message: &str) -> Refusal {
    Refusal::Arguments { at: expr.at, message: message.to_owned() }
}
