#include "text/jinja/globals.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/functions.h"
#include "text/jinja/iterate.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"
#include "text/jinja/strftime.h"

namespace quarry::jinja {

void Namespace::Set(std::string_view name, Value value) {
  const auto it = index_.find(name);
  if (it != index_.end()) {
    attributes_[it->second].second = std::move(value);
    return;
  }
  const size_t bytes = 2 * name.size() + 160;
  heap_.Allocate(bytes);
  counted_ += bytes;
  index_.emplace(std::string(name), attributes_.size());
  attributes_.emplace_back(std::string(name), std::move(value));
}

std::optional<Value> Namespace::Attribute(Runtime&, std::string_view name) {
  const auto it = index_.find(name);
  if (it == index_.end()) return std::nullopt;
  return attributes_[it->second].second;
}

void Namespace::AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) {
  const Runtime::Nest nest(rt, "namespaces");
  DictBuilder attributes(rt.heap());
  // Names may come from namespace(**arguments): they count as the user's.
  for (const auto& [name, value] : attributes_) attributes.Set(rt.Str(name, true), value);
  out.Append("<Namespace ", from_user);
  jinja::AppendRepr(rt, attributes.Finish(), from_user, out);
  out.Append(">", from_user);
}

void Namespace::Clear() {
  index_.clear();
  attributes_.clear();
}

namespace {

// dict(mapping or pairs, **more).
void FillDict(Runtime& rt, std::string_view function, const Args& args, DictBuilder& out) {
  if (args.positional.size() > 1) {
    ThrowType(
        fmt::format("{} expected at most 1 argument, got {}", function, args.positional.size()));
  }
  if (!args.positional.empty()) {
    const Value& from = args.positional[0];
    CheckDefined(from);
    if (from.is(Kind::kDict)) {
      out.SetAll(from.dict());
    } else {
      auto pairs = Iterate(rt, from);
      size_t i = 0;
      for (Value pair; pairs->Next(rt, &pair); ++i) {
        ListBuilder parts(rt.heap());
        Collect(rt, pair, parts);
        if (parts.size() != 2) {
          ThrowValue(
              fmt::format("dictionary update sequence element #{} has length {}; 2 is required", i,
                          parts.size()));
        }
        out.Set(parts.items()[0], parts.items()[1]);
      }
    }
  }
  for (const auto& [name, value] : args.keyword) out.Set(Value::Of(name), value);
}

Value MakeDict(Runtime& rt, const Args& args) {
  DictBuilder out(rt.heap());
  FillDict(rt, "dict", args, out);
  return out.Finish();
}

Value MakeNamespace(Runtime& rt, const Args& args) {
  DictBuilder initial(rt.heap());
  FillDict(rt, "namespace", args, initial);
  const Value attributes = initial.Finish();
  auto space = std::make_unique<Namespace>(rt.heap());
  for (const auto& [key, value] : attributes.dict().entries()) {
    if (key.string()) space->Set(key.view(), value);
  }
  return Value::Of(std::static_pointer_cast<HostObject>(rt.heap().Own(std::move(space))));
}

Value MakeRange(Runtime& rt, const Args& args) {
  if (!args.keyword.empty()) ThrowType("range() takes no keyword arguments");
  const Params p("range", args, {"start", "stop", "step"}, 1);
  const bool one = !p.given(1);
  const int64_t start = one ? 0 : ToIndex(p[0]);
  const int64_t stop = ToIndex(one ? p[0] : p[1]);
  const int64_t step = p.given(2) ? ToIndex(p[2]) : 1;
  if (step == 0) ThrowValue("range() arg 3 must not be zero");
  const uint64_t count = Range::Count(start, stop, step);
  if (count > static_cast<uint64_t>(kMaxRange)) {
    Throw(ErrorKind::kOverflow,
          fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).",
                      kMaxRange));
  }
  return Value::Of(std::make_shared<const Range>(&rt.heap(), start, stop, step));
}

// Cycler and joiner.

class Cycler : public HostObject {
 public:
  Cycler(Heap* heap, Value items)
      : HostObject(heap, sizeof(Cycler)),
        depth_(heap->CheckDepth(1 + items.depth())),
        items_(std::move(items)) {}

  std::string_view type_name() const override { return "Cycler"; }
  std::string_view module() const override { return "jinja2.utils"; }
  int depth() const override { return depth_; }
  std::optional<Value> Attribute(Runtime& rt, std::string_view name) override;

  const Value& current() const { return items_.list()[position_]; }
  void Advance() { position_ = (position_ + 1) % items_.list().size(); }
  void Reset() { position_ = 0; }

 private:
  int depth_;
  Value items_;
  size_t position_ = 0;
};

Value CyclerNext(Runtime&, const Value& self, const Args& args) {
  const Params p("next", args, {});
  auto& cycler = static_cast<Cycler&>(self.host());
  Value current = cycler.current();
  cycler.Advance();
  return current;
}

Value CyclerReset(Runtime&, const Value& self, const Args& args) {
  const Params p("reset", args, {});
  static_cast<Cycler&>(self.host()).Reset();
  return Value::None();
}

constexpr Method kCyclerMethods[] = {{"next", CyclerNext}, {"reset", CyclerReset}};

// A method holds its cycler by a plain pointer: whoever calls it holds the cycler, or the heap
// does.
std::optional<Value> Cycler::Attribute(Runtime& rt, std::string_view name) {
  if (name == "current") return current();
  if (name == "pos") return Value::Int(static_cast<int64_t>(position_));
  if (name == "items") return items_;
  const Method* method = FindMethod(kCyclerMethods, name);
  if (method == nullptr) return std::nullopt;
  const Value self = Value::Of(std::shared_ptr<HostObject>(std::shared_ptr<void>(), this));
  return BindMethod(rt, self, *method);
}

Value MakeCycler(Runtime& rt, const Args& args) {
  if (!args.keyword.empty()) ThrowType("cycler() takes no keyword arguments");
  if (args.positional.empty()) Throw(ErrorKind::kRuntime, "at least one item has to be provided");
  auto cycler = std::make_unique<Cycler>(&rt.heap(), rt.Tuple(args.positional));
  return Value::Of(std::static_pointer_cast<HostObject>(rt.heap().Own(std::move(cycler))));
}

class Joiner : public HostObject {
 public:
  Joiner(Heap* heap, Value separator)
      : HostObject(heap, sizeof(Joiner)),
        depth_(heap->CheckDepth(1 + separator.depth())),
        separator_(std::move(separator)) {}

  std::string_view type_name() const override { return "Joiner"; }
  std::string_view module() const override { return "jinja2.utils"; }
  int depth() const override { return depth_; }
  bool callable() const override { return true; }
  Value Call(Runtime& rt, Args args) override {
    const Params p("joiner", args, {});
    if (used_) return separator_;
    used_ = true;
    return rt.Str("");
  }

 private:
  int depth_;
  Value separator_;
  bool used_ = false;
};

Value MakeJoiner(Runtime& rt, const Args& args) {
  const Params p("joiner", args, {"sep"});
  return Value::Of(
      std::shared_ptr<HostObject>(std::make_shared<Joiner>(&rt.heap(), p.Or(0, rt.Str(", ")))));
}

// What transformers adds.

Value RaiseException(Runtime& rt, const Args& args) {
  const Params p("raise_exception", args, {"message"}, 1);
  Throw(ErrorKind::kRaised, std::string(ToStr(rt, p[0])->view()));
}

Value StrftimeNow(Runtime& rt, const Args& args) {
  const Params p("strftime_now", args, {"format"}, 1);
  const Str& format = p.Text(0);
  rt.Step(format.view().size());
  return rt.Str(FormatTime(format.view(), rt.now()), format.any_user());
}

Value Lipsum(Runtime&, const Args&) {
  Throw(ErrorKind::kUnsupported, "lipsum(): renderings are repeatable");
}

constexpr Function kGlobals[] = {
    {"cycler", MakeCycler},       {"dict", MakeDict},
    {"joiner", MakeJoiner},       {"lipsum", Lipsum},
    {"namespace", MakeNamespace}, {"raise_exception", RaiseException},
    {"range", MakeRange},         {"strftime_now", StrftimeNow},
};

}  // namespace

Value FindGlobal(Runtime& rt, std::string_view name) {
  for (const Function& function : kGlobals) {
    if (function.name == name) return MakeFunction(rt, function);
  }
  return Value();
}

}  // namespace quarry::jinja
