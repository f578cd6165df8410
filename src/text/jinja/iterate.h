// Walking over values, and collecting them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "text/jinja/host_object.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// iter(v): items of lists, characters of strings, keys of dicts; nothing for undefined values.
// Otherwise throws kType with `message`, in which {} stands for the type.
std::unique_ptr<Iterator> Iterate(Runtime& rt, const Value& value,
                                  std::string_view message = "'{}' object is not iterable");
bool Iterable(Runtime& rt, const Value& value);

// reversed(v); null if it can not be reversed.
std::unique_ptr<Iterator> IterateReversed(Runtime& rt, const Value& value);

// Collects values; what it holds counts as the heap's memory.
class ListBuilder {
 public:
  explicit ListBuilder(Heap& heap) : heap_(heap) {}
  ListBuilder(const ListBuilder&) = delete;
  ListBuilder& operator=(const ListBuilder&) = delete;
  ~ListBuilder() { heap_.Release(counted_); }

  void Push(Value value);
  size_t size() const { return items_.size(); }
  std::vector<Value>& items() { return items_; }
  // The items; the builder is empty afterwards.
  std::vector<Value> Take();
  Value FinishList() { return MakeList(heap_, Take()); }
  Value FinishTuple() { return MakeTuple(heap_, Take()); }

 private:
  Heap& heap_;
  size_t counted_ = 0;
  std::vector<Value> items_;
};

// list(v) as a vector.
void Collect(Runtime& rt, const Value& value, ListBuilder& out);

// A value that yields what `next` yields, once, as Python's generators do. `depth` is that of what
// `next` holds on to; `type` what Python calls it.
using NextFunction = std::function<bool(Runtime&, Value*)>;
Value MakeGenerator(Runtime& rt, int depth, NextFunction next, const char* type = "generator");
Value MakeGenerator(Runtime& rt, int depth, std::unique_ptr<Iterator> items, const char* type);

// The same for a generator that looks at its arguments only when its first item is asked for:
// `start` is called then, once, and returns what yields the items.
using StartFunction = std::function<NextFunction(Runtime&)>;
Value MakeLazyGenerator(Runtime& rt, int depth, StartFunction start);

}  // namespace quarry::jinja
