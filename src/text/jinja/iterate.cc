#include "text/jinja/iterate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "text/jinja/dict.h"
#include "text/jinja/error.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quarry::jinja {
namespace {

class NoItems : public Iterator {
 public:
  bool Next(Runtime&, Value*) override { return false; }
};

class ListItems : public Iterator {
 public:
  explicit ListItems(Value list) : list_(std::move(list)) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    if (next_ >= list_.list().size()) return false;
    *out = list_.list()[next_++];
    return true;
  }

 private:
  Value list_;
  size_t next_ = 0;
};

class ListItemsReversed : public Iterator {
 public:
  explicit ListItemsReversed(Value list) : list_(std::move(list)), left_(list_.list().size()) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    if (left_ == 0) return false;
    *out = list_.list()[--left_];
    return true;
  }

 private:
  Value list_;
  size_t left_;
};

class DictKeys : public Iterator {
 public:
  DictKeys(Value dict, bool reversed) : dict_(std::move(dict)), reversed_(reversed) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    const auto& entries = dict_.dict().entries();
    if (done_ >= entries.size()) return false;
    *out = entries[reversed_ ? entries.size() - 1 - done_ : done_].first;
    ++done_;
    return true;
  }

 private:
  Value dict_;
  bool reversed_;
  size_t done_ = 0;
};

class RangeItems : public Iterator {
 public:
  RangeItems(Value range, bool reversed) : range_(std::move(range)), reversed_(reversed) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    const Range& r = range_.range();
    if (done_ >= r.size()) return false;
    *out = Value::Int(r.at(reversed_ ? r.size() - 1 - done_ : done_));
    ++done_;
    return true;
  }

 private:
  Value range_;
  bool reversed_;
  int64_t done_ = 0;
};

class Characters : public Iterator {
 public:
  explicit Characters(StrPtr s) : s_(std::move(s)) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    const std::string_view text = s_->view();
    if (pos_ >= text.size()) return false;
    const auto length = static_cast<size_t>(CharAt(text, pos_).length);
    StrBuilder builder(rt.heap(), s_->markup());
    builder.Append(*s_, pos_, pos_ + length);
    *out = Value::Of(builder.Finish());
    pos_ += length;
    return true;
  }

 private:
  StrPtr s_;
  size_t pos_ = 0;
};

class CharactersReversed : public Iterator {
 public:
  explicit CharactersReversed(StrPtr s) : s_(std::move(s)), end_(s_->view().size()) {}
  bool Next(Runtime& rt, Value* out) override {
    rt.Step();
    if (end_ == 0) return false;
    size_t begin = end_ - 1;
    while ((static_cast<unsigned char>(s_->view()[begin]) & 0xC0) == 0x80) --begin;
    StrBuilder builder(rt.heap(), s_->markup());
    builder.Append(*s_, begin, end_);
    *out = Value::Of(builder.Finish());
    end_ = begin;
    return true;
  }

 private:
  StrPtr s_;
  size_t end_;
};

// A generator value: every walk over it continues the same one.
class Generator : public HostObject {
 public:
  Generator(Heap* heap, int depth, NextFunction next, const char* type)
      : HostObject(heap, sizeof(Generator) + 64),
        depth_(heap->CheckDepth(depth)),
        next_(std::move(next)),
        type_(type) {}

  std::string_view type_name() const override { return type_; }
  int depth() const override { return depth_; }
  std::unique_ptr<Iterator> Iterate(Runtime&) override;

  bool Next(Runtime& rt, Value* out) {
    rt.Step();
    if (done_) return false;
    if (running_) ThrowValue("generator already executing");
    running_ = true;
    done_ = !next_(rt, out);
    running_ = false;
    return !done_;
  }

 private:
  int depth_;
  NextFunction next_;
  const char* type_;
  bool done_ = false;
  bool running_ = false;
};

class GeneratorItems : public Iterator {
 public:
  explicit GeneratorItems(Generator& generator) : generator_(generator) {}
  bool Next(Runtime& rt, Value* out) override { return generator_.Next(rt, out); }

 private:
  Generator& generator_;  // whoever walks holds the value
};

std::unique_ptr<Iterator> Generator::Iterate(Runtime&) {
  return std::make_unique<GeneratorItems>(*this);
}

// Keeps the value that is walked over alive.
class Holding : public Iterator {
 public:
  Holding(Value value, std::unique_ptr<Iterator> items)
      : value_(std::move(value)), items_(std::move(items)) {}
  bool Next(Runtime& rt, Value* out) override { return items_->Next(rt, out); }

 private:
  Value value_;
  std::unique_ptr<Iterator> items_;
};

std::unique_ptr<Iterator> TryIterate(Runtime& rt, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::make_unique<NoItems>();
    case Kind::kString:
      return std::make_unique<Characters>(value.str_ptr());
    case Kind::kList:
    case Kind::kTuple:
      return std::make_unique<ListItems>(value);
    case Kind::kDict:
      return std::make_unique<DictKeys>(value, false);
    case Kind::kRange:
      return std::make_unique<RangeItems>(value, false);
    case Kind::kHost: {
      auto items = value.host().Iterate(rt);
      if (items == nullptr) return nullptr;
      return std::make_unique<Holding>(value, std::move(items));
    }
    default:
      return nullptr;
  }
}

}  // namespace

std::unique_ptr<Iterator> Iterate(Runtime& rt, const Value& value, std::string_view message) {
  auto items = TryIterate(rt, value);
  if (items == nullptr) ThrowType(fmt::format(fmt::runtime(message), TypeName(value)));
  return items;
}

bool Iterable(Runtime& rt, const Value& value) { return TryIterate(rt, value) != nullptr; }

std::unique_ptr<Iterator> IterateReversed(Runtime& rt, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::make_unique<NoItems>();
    case Kind::kString:
      return std::make_unique<CharactersReversed>(value.str_ptr());
    case Kind::kList:
    case Kind::kTuple:
      return std::make_unique<ListItemsReversed>(value);
    case Kind::kDict:
      return std::make_unique<DictKeys>(value, true);
    case Kind::kRange:
      return std::make_unique<RangeItems>(value, true);
    case Kind::kHost: {
      auto items = value.host().IterateReversed(rt);
      if (items == nullptr) return nullptr;
      return std::make_unique<Holding>(value, std::move(items));
    }
    default:
      return nullptr;
  }
}

void ListBuilder::Push(Value value) {
  if ((items_.size() + 1) * sizeof(Value) > counted_) {
    const size_t room = std::max<size_t>(4, 2 * items_.size()) * sizeof(Value);
    heap_.Allocate(room - counted_);
    counted_ = room;
  }
  items_.push_back(std::move(value));
}

std::vector<Value> ListBuilder::Take() {
  heap_.Release(std::exchange(counted_, 0));
  std::vector<Value> items = std::move(items_);
  items_.clear();
  return items;
}

void Collect(Runtime& rt, const Value& value, ListBuilder& out) {
  auto items = Iterate(rt, value);
  for (Value item; items->Next(rt, &item);) out.Push(std::move(item));
}

Value MakeGenerator(Runtime& rt, int depth, NextFunction next, const char* type) {
  return Value::Of(std::shared_ptr<HostObject>(
      std::make_shared<Generator>(&rt.heap(), depth + 1, std::move(next), type)));
}

Value MakeGenerator(Runtime& rt, int depth, std::unique_ptr<Iterator> items, const char* type) {
  std::shared_ptr<Iterator> shared = std::move(items);
  return MakeGenerator(
      rt, depth, [shared](Runtime& r, Value* out) { return shared->Next(r, out); }, type);
}

Value MakeLazyGenerator(Runtime& rt, int depth, StartFunction start) {
  auto next = std::make_shared<NextFunction>();
  return MakeGenerator(rt, depth, [next, start = std::move(start)](Runtime& r, Value* out) {
    if (*next == nullptr) *next = start(r);
    return (*next)(r, out);
  });
}

}  // namespace quarry::jinja
