// What one rendering carries around: its heap, its clock and its settings.
#pragma once

#include <chrono>
#include <string_view>

#include "text/jinja/error.h"
#include "text/jinja/heap.h"
#include "text/jinja/value.h"

namespace quarry::jinja {

using WallTime = std::chrono::local_time<std::chrono::microseconds>;

class Runtime {
 public:
  Runtime(const Limits& limits, WallTime now) : heap_(limits), now_(now) {}

  Heap& heap() { return heap_; }
  const Limits& limits() const { return heap_.limits(); }
  void Step(uint64_t n = 1) { heap_.Step(n); }
  WallTime now() const { return now_; }

  // Whether {% autoescape %} is on.
  bool autoescape() const { return autoescape_; }
  void set_autoescape(bool on) { autoescape_ = on; }

  Value Str(std::string_view text, bool from_user = false) {
    return MakeStr(heap_, text, from_user);
  }
  Value List(std::vector<Value> items) { return MakeList(heap_, std::move(items)); }
  Value Tuple(std::vector<Value> items) { return MakeTuple(heap_, std::move(items)); }
  Value Undefined(std::string message) { return Value::Undefined(heap_, std::move(message)); }

  // Nesting of calls that are not bounded by the depth of values or of the source.
  class Nest {
   public:
    Nest(Runtime& rt, const char* what) : rt_(rt) { rt_.Enter(what); }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    ~Nest() { --rt_.nesting_; }

   private:
    Runtime& rt_;
  };

 private:
  void Enter(const char* what);

  Heap heap_;
  WallTime now_;
  bool autoescape_ = false;
  int nesting_ = 0;
};

}  // namespace quarry::jinja
