// Filters that bring items into an order or compare them.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "text/jinja/attr_path.h"
#include "text/jinja/compare.h"
#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/filter_functions.h"
#include "text/jinja/iterate.h"
#include "text/jinja/number.h"
#include "text/jinja/repr.h"
#include "text/jinja/runtime.h"

namespace quarry::jinja::filters {
namespace {

struct Keyed {
  Value key;
  Value item;
};

// sorted(): stable, also in reverse.
void SortByKey(Runtime& rt, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? Ordered(rt, Order::kLess, b.key, a.key)
                   : Ordered(rt, Order::kLess, a.key, b.key);
  });
}

Value ItemsOf(Runtime& rt, std::vector<Keyed> sorted) {
  ListBuilder out(rt.heap());
  for (Keyed& keyed : sorted) out.Push(std::move(keyed.item));
  return out.FinishList();
}

// One group of groupby: a pair whose parts also have names.
class Group : public HostObject {
 public:
  Group(Heap* heap, Value grouper, Value list)
      : HostObject(heap, sizeof(Group)),
        depth_(heap->CheckDepth(1 + std::max(grouper.depth(), list.depth()))),
        grouper_(std::move(grouper)),
        list_(std::move(list)) {}

  std::string_view type_name() const override { return "_GroupTuple"; }
  std::string_view module() const override { return "jinja2.filters"; }
  int depth() const override { return depth_; }
  std::optional<size_t> Length(Runtime&) override { return 2; }
  std::optional<Value> Attribute(Runtime&, std::string_view name) override {
    if (name == "grouper") return grouper_;
    if (name == "list") return list_;
    return std::nullopt;
  }
  std::optional<Value> Item(Runtime&, const Value& key) override {
    if (!key.is(Kind::kInt)) return std::nullopt;
    if (key.as_int() == 0 || key.as_int() == -2) return grouper_;
    if (key.as_int() == 1 || key.as_int() == -1) return list_;
    return std::nullopt;
  }
  std::unique_ptr<Iterator> Iterate(Runtime& rt) override {
    return jinja::Iterate(rt, rt.Tuple({grouper_, list_}));
  }
  void AppendRepr(Runtime& rt, bool from_user, StrBuilder& out) override {
    jinja::AppendRepr(rt, rt.Tuple({grouper_, list_}), from_user, out);
  }

 private:
  int depth_;
  Value grouper_;
  Value list_;
};

Value Extreme(Runtime& rt, const Value& in, const Args& args, const char* name, Order wins) {
  const Params p(name, args, {"case_sensitive", "attribute"});
  const bool fold = !p.Bool(rt, 0, false);
  const AttrPath path(rt, p.Or(1, Value::None()));
  auto items = Iterate(rt, in);
  Value best;
  Value best_key;
  for (Value item; items->Next(rt, &item);) {
    Value key = path.Get(rt, item);
    if (fold) key = IgnoreCase(rt, key);
    if (best.missing() || Ordered(rt, wins, key, best_key)) {
      best = std::move(item);
      best_key = std::move(key);
    }
  }
  return best.missing() ? rt.Undefined("No aggregated item, sequence was empty.") : best;
}

}  // namespace

Value Sort(Runtime& rt, const Value& in, const Args& args) {
  const Params p("sort", args, {"reverse", "case_sensitive", "attribute"});
  const bool reverse = ToIndex(p.Or(0, Value::Bool(false))) != 0;
  const bool fold = !p.Bool(rt, 1, false);
  const std::vector<AttrPath> paths = AttrPaths(rt, p.Or(2, Value::None()));
  ListBuilder items(rt.heap());
  Collect(rt, in, items);
  std::vector<Keyed> keyed;
  rt.heap().Reserve(items.size() * sizeof(Keyed));
  keyed.reserve(items.size());
  for (Value& item : items.items()) {
    std::vector<Value> keys;
    for (const AttrPath& path : paths) {
      const Value key = path.Get(rt, item);
      keys.push_back(fold ? IgnoreCase(rt, key) : key);
    }
    keyed.push_back({rt.List(std::move(keys)), std::move(item)});
  }
  SortByKey(rt, keyed, reverse);
  return ItemsOf(rt, std::move(keyed));
}

Value DictSort(Runtime& rt, const Value& in, const Args& args) {
  const Params p("dictsort", args, {"case_sensitive", "by", "reverse"});
  const bool reverse = ToIndex(p.Or(2, Value::Bool(false))) != 0;
  const std::string_view by = p.given(1) ? p.Text(1).view() : "key";
  if (by != "key" && by != "value") {
    Throw(ErrorKind::kRuntime, "You can only sort by either \"key\" or \"value\"");
  }
  CheckDefined(in);
  if (!in.is(Kind::kDict)) {
    ThrowType(fmt::format("filter dictsort wants a dict, not {}", TypeName(in)));
  }
  const bool fold = !p.Bool(rt, 0, false);
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : in.dict().entries()) {
    const Value& sort_key = by == "key" ? key : value;
    keyed.push_back({fold ? IgnoreCase(rt, sort_key) : sort_key,
                     rt.Tuple({key, value}).FromUser(in.from_user())});
  }
  SortByKey(rt, keyed, reverse);
  return ItemsOf(rt, std::move(keyed));
}

Value GroupBy(Runtime& rt, const Value& in, const Args& args) {
  const Params p("groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const AttrPath path(rt, p[0]);
  const Value otherwise = p.Or(1, Value::None());
  const bool fold = !p.Bool(rt, 2, false);
  std::vector<Keyed> keyed;
  auto items = Iterate(rt, in);
  for (Value item; items->Next(rt, &item);) {
    rt.heap().Reserve((keyed.size() + 1) * 2 * sizeof(Keyed));
    Value key = path.Get(rt, item, otherwise);
    if (fold) key = IgnoreCase(rt, key);
    keyed.push_back({std::move(key), std::move(item)});
  }
  SortByKey(rt, keyed, false);
  ListBuilder groups(rt.heap());
  for (size_t begin = 0; begin < keyed.size();) {
    size_t end = begin;
    ListBuilder members(rt.heap());
    while (end < keyed.size() && Equal(rt, keyed[end].key, keyed[begin].key)) {
      members.Push(keyed[end++].item);
    }
    if (end == begin) members.Push(keyed[end++].item);  // a key unequal to itself: NaN
    const Value grouper = fold ? path.Get(rt, keyed[begin].item, otherwise) : keyed[begin].key;
    groups.Push(Value::Of(std::shared_ptr<HostObject>(
        std::make_shared<Group>(&rt.heap(), grouper, members.FinishList()))));
    begin = end;
  }
  return groups.FinishList();
}

Value Min(Runtime& rt, const Value& in, const Args& args) {
  return Extreme(rt, in, args, "min", Order::kLess);
}

Value Max(Runtime& rt, const Value& in, const Args& args) {
  return Extreme(rt, in, args, "max", Order::kGreater);
}

Value Unique(Runtime& rt, const Value& in, const Args& args) {
  const Params p("unique", args, {"case_sensitive", "attribute"});
  struct Before {
    bool operator()(const Value& a, const Value& b) const { return CompareKeys(*heap, a, b) < 0; }
    Heap* heap;
  };
  const Value case_sensitive = p.Or(0, Value::Bool(false));
  const Value attribute = p.Or(1, Value::None());
  return MakeLazyGenerator(rt, in.depth() + 1, [=](Runtime& r) -> NextFunction {
    const bool fold = !Truth(r, case_sensitive);
    const AttrPath path(r, attribute);
    auto seen = std::make_shared<std::set<Value, Before>>(Before{&r.heap()});
    std::shared_ptr<Iterator> items = Iterate(r, in);
    return [=](Runtime& rt2, Value* out) {
      while (items->Next(rt2, out)) {
        Value key = path.Get(rt2, *out);
        if (fold) key = IgnoreCase(rt2, key);
        CheckHashable(key);
        rt2.heap().Reserve((seen->size() + 1) * 2 * sizeof(Value));
        if (seen->insert(std::move(key)).second) return true;
      }
      return false;
    };
  });
}

}  // namespace quarry::jinja::filters
