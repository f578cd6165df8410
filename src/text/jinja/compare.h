// Truth, equality, order, membership and length of values.
#pragma once

#include <cstddef>
#include <string_view>

#include "text/jinja/value.h"

namespace quarry::jinja {

class Runtime;

// bool(v).
bool Truth(Runtime& rt, const Value& value);

// a == b. Never fails: unlike things are unequal.
bool Equal(Runtime& rt, const Value& a, const Value& b);

// a < b, a <= b, ...; throws kType for values without an order, kUndefined for undefined ones.
enum class Order { kLess, kLessEqual, kGreater, kGreaterEqual };
bool Ordered(Runtime& rt, Order order, const Value& a, const Value& b);

// needle in haystack.
bool Contains(Runtime& rt, const Value& haystack, const Value& needle);

// len(v); throws kType if it has none.
size_t Length(Runtime& rt, const Value& value);

// -1, 0, 1 for numbers, exactly, also between large integers and floats; 2 if one is not a number
// (NaN). REQUIRES: both number().
int CompareNumbers(const Value& a, const Value& b);

// Throws kType if !key.hashable().
void CheckHashable(const Value& key);

// A total order on keys in which equal keys, and only these, compare as 0. Counts steps.
// REQUIRES: both hashable.
int CompareKeys(Heap& heap, const Value& a, const Value& b);
int CompareKeyToText(Heap& heap, const Value& key, std::string_view text);

}  // namespace quarry::jinja
