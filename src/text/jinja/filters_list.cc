// Filters on sequences.
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/access.h"
#include "text/jinja/attr_path.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/filter_functions.h"
#include "text/jinja/html.h"
#include "text/jinja/iterate.h"
#include "text/jinja/methods.h"
#include "text/jinja/number.h"
#include "text/jinja/operators.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/str_ops.h"

namespace quarry::jinja::filters {

Value Attr(Runtime& rt, const Value& in, const Args& args) {
  const Params p("attr", args, {"name"}, 1);
  return GetOnlyAttr(rt, in, p.Text(0).view());
}

Value Default(Runtime& rt, const Value& in, const Args& args) {
  const Params p("default", args, {"default_value", "boolean"});
  if (in.undefined() || (p.Bool(rt, 1, false) && !Truth(rt, in))) return p.Or(0, rt.Str(""));
  return in;
}

Value Length(Runtime& rt, const Value& in, const Args& args) {
  const Params p("length", args, {});
  return Value::Int(static_cast<int64_t>(jinja::Length(rt, in)));
}

Value First(Runtime& rt, const Value& in, const Args& args) {
  const Params p("first", args, {});
  Value first;
  if (Iterate(rt, in)->Next(rt, &first)) return first;
  return rt.Undefined("No first item, sequence was empty.");
}

Value Last(Runtime& rt, const Value& in, const Args& args) {
  const Params p("last", args, {});
  auto items = IterateReversed(rt, in);
  if (items == nullptr) ThrowType(fmt::format("'{}' object is not reversible", TypeName(in)));
  Value last;
  if (items->Next(rt, &last)) return last;
  return rt.Undefined("No last item, sequence was empty.");
}

Value ListOf(Runtime& rt, const Value& in, const Args& args) {
  const Params p("list", args, {});
  ListBuilder out(rt.heap());
  Collect(rt, in, out);
  return out.FinishList();
}

Value Items(Runtime& rt, const Value& in, const Args& args) {
  const Params p("items", args, {});
  return MakeLazyGenerator(rt, in.depth() + 1, [=](Runtime& r) -> NextFunction {
    if (in.undefined()) return [](Runtime&, Value*) { return false; };
    if (!in.is(Kind::kDict)) ThrowType("Can only get item pairs from a mapping.");
    std::shared_ptr<Iterator> items = Iterate(r, MakeDictView(r, in, DictPart::kItems));
    return [=](Runtime& rt2, Value* out) { return items->Next(rt2, out); };
  });
}

Value Reverse(Runtime& rt, const Value& in, const Args& args) {
  const Params p("reverse", args, {});
  if (in.string()) {
    return GetSlice(rt, in, Value::None(), Value::None(), Value::Int(-1));
  }
  if (auto items = IterateReversed(rt, in)) {
    const char* type = in.is(Kind::kList) ? "list_reverseiterator" : "reversed";
    return MakeGenerator(rt, in.depth(), std::move(items), type);
  }
  if (!Iterable(rt, in)) Throw(ErrorKind::kRuntime, "argument must be iterable");
  ListBuilder out(rt.heap());
  Collect(rt, in, out);
  std::reverse(out.items().begin(), out.items().end());
  return out.FinishList();
}

Value Join(Runtime& rt, const Value& in, const Args& args) {
  const Params p("join", args, {"d", "attribute"});
  const Value delimiter = p.Or(0, rt.Str(""));
  const AttrPath path(rt, p.given(1) ? p[1] : Value::None());
  ListBuilder items(rt.heap());
  auto walk = Iterate(rt, in);
  for (Value item; walk->Next(rt, &item);) items.Push(path.Get(rt, item));
  const auto marked = [](const Value& v) { return v.string() && v.str().markup(); };
  const bool escape =
      rt.autoescape() &&
      (marked(delimiter) || std::any_of(items.items().begin(), items.items().end(), marked));
  StrBuilder out(rt.heap(), escape);
  const StrPtr between = escape ? Escape(rt, delimiter) : ToStr(rt, delimiter);
  bool first = true;
  for (const Value& item : items.items()) {
    if (!first) out.Append(*between);
    first = false;
    if (escape) {
      out.Append(*Escape(rt, item));
    } else {
      AppendStr(rt, item, out);
    }
  }
  return Value::Of(out.Finish());
}

Value Sum(Runtime& rt, const Value& in, const Args& args) {
  const Params p("sum", args, {"attribute", "start"});
  const AttrPath path(rt, p.given(0) ? p[0] : Value::None());
  Value total = p.Or(1, Value::Int(0));
  if (total.string()) ThrowType("sum() can't sum strings [use ''.join(seq) instead]");
  auto items = Iterate(rt, in);
  for (Value item; items->Next(rt, &item);) {
    total = Binary(rt, BinaryOp::kAdd, total, path.Get(rt, item));
  }
  return total;
}

Value Batch(Runtime& rt, const Value& in, const Args& args) {
  const Params p("batch", args, {"linecount", "fill_with"}, 1);
  const Value line_count = p[0];
  const Value fill = p.Or(1, Value::None());
  const int depth = std::max(in.depth(), fill.depth()) + 1;
  return MakeLazyGenerator(rt, depth, [=](Runtime& r) -> NextFunction {
    std::shared_ptr<Iterator> items = Iterate(r, in);
    auto held = std::make_shared<Value>();  // the first item of the next row
    const int64_t size = ToIndex(line_count);
    return [=](Runtime& rt2, Value* out) {
      ListBuilder row(rt2.heap());
      if (!held->missing()) row.Push(std::exchange(*held, Value()));
      for (Value item; items->Next(rt2, &item);) {
        if (static_cast<int64_t>(row.size()) == size) {
          *held = std::move(item);
          break;
        }
        row.Push(std::move(item));
      }
      if (row.size() == 0 && held->missing()) return false;
      while (held->missing() && !fill.none() && static_cast<int64_t>(row.size()) < size) {
        rt2.Step();
        row.Push(fill);
      }
      *out = row.FinishList();
      return true;
    };
  });
}

Value SliceColumns(Runtime& rt, const Value& in, const Args& args) {
  const Params p("slice", args, {"slices", "fill_with"}, 1);
  const Value slice_count = p[0];
  const Value fill = p.Or(1, Value::None());
  const int depth = std::max(in.depth(), fill.depth()) + 1;
  return MakeLazyGenerator(rt, depth, [=](Runtime& r) -> NextFunction {
    ListBuilder collected(r.heap());
    Collect(r, in, collected);
    const Value all = collected.FinishList();
    const int64_t slices = ToIndex(slice_count);
    if (slices == 0) Throw(ErrorKind::kZeroDivision, "division by zero");
    const auto size = static_cast<int64_t>(all.list().size());
    const int64_t with_extra = ((size % slices) + slices) % slices;
    auto number = std::make_shared<int64_t>(0);
    return [=](Runtime& rt2, Value* out) {
      const int64_t n = (*number)++;
      if (n >= slices) return false;
      const int64_t per_slice = size / slices;
      const int64_t begin = n * per_slice + std::min(n, with_extra);
      const int64_t end = begin + per_slice + (n < with_extra ? 1 : 0);
      ListBuilder column(rt2.heap());
      for (int64_t i = begin; i < end; ++i) column.Push(all.list()[static_cast<size_t>(i)]);
      if (!fill.none() && n >= with_extra) column.Push(fill);
      *out = column.FinishList();
      return true;
    };
  });
}

}  // namespace quarry::jinja::filters
