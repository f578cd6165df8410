// Strings of the interpreter: immutable, valid UTF-8, indexed by character like Python's str, and
// aware of where their characters come from.
//
// Every character is either the template's (written in the template or made up by it) or the
// user's (from messages, tools and other arguments of the rendering). `flips` holds the byte
// offsets where that changes, ascending, the template's first: {} is all template, {0} all user,
// {4, 9} user from byte 4 up to byte 9.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/heap.h"

namespace quarry::jinja {

class Str : public Object {
 public:
  // REQUIRES: `bytes` is valid UTF-8 and `flips` is as described above.
  Str(Heap* heap, std::string bytes, std::vector<size_t> flips, bool markup);

  std::string_view view() const { return bytes_; }
  const std::vector<size_t>& flips() const { return flips_; }
  size_t size() const { return n_chars_; }  // in characters
  bool empty() const { return bytes_.empty(); }
  bool ascii() const { return n_chars_ == bytes_.size(); }
  bool markup() const { return markup_; }  // HTML that needs no escaping
  bool any_user() const { return !flips_.empty(); }

  // Byte offset of a character. REQUIRES: index <= size(). Costs a scan unless ascii().
  size_t Offset(size_t index) const;
  // Index of the character at a byte offset.
  size_t Index(size_t offset) const;

 private:
  std::string bytes_;
  std::vector<size_t> flips_;
  size_t n_chars_;
  bool markup_;
};

using StrPtr = std::shared_ptr<const Str>;

// Collects a string piece by piece, each with its origin. What it holds counts as the heap's
// memory.
class StrBuilder {
 public:
  explicit StrBuilder(Heap& heap, bool markup = false) : heap_(heap), markup_(markup) {}
  StrBuilder(const StrBuilder&) = delete;
  StrBuilder& operator=(const StrBuilder&) = delete;
  ~StrBuilder() { heap_.Release(counted_); }

  void Append(std::string_view bytes, bool from_user = false);
  void Append(const Str& s) { Append(s, 0, s.view().size()); }
  // Bytes [begin, end) of `s` with their origin.
  void Append(const Str& s, size_t begin, size_t end);
  // All of `s`, each byte replaced by one of `bytes`. REQUIRES: the same size.
  void AppendReplaced(std::string_view bytes, const Str& s);
  // `bytes` take the place of something in `s` that started at byte `origin`.
  void AppendLike(std::string_view bytes, const Str& s, size_t origin);

  size_t size_bytes() const { return bytes_.size(); }
  std::string_view view() const { return bytes_; }
  bool any_user() const { return !flips_.empty(); }
  StrPtr Finish();
  // The collected text and its origins, for output that becomes no value.
  std::string TakeBytes() { return std::move(bytes_); }
  std::vector<size_t> TakeFlips() { return std::move(flips_); }

 private:
  void SetOrigin(bool from_user) {
    if (from_user != (flips_.size() % 2 == 1)) flips_.push_back(bytes_.size());
  }
  void Grow(size_t bytes, size_t flips);

  Heap& heap_;
  bool markup_;
  size_t counted_ = 0;  // bytes the heap knows of
  std::string bytes_;
  std::vector<size_t> flips_;
};

// Whether the byte at `offset` is the user's.
bool FromUserAt(const std::vector<size_t>& flips, size_t offset);

// Walks over the bytes of a string in ascending order and tells whose they are, without searching
// again for each.
class OriginCursor {
 public:
  explicit OriginCursor(const std::vector<size_t>& flips) : flips_(flips) {}
  // REQUIRES: offsets do not go back from call to call.
  bool FromUser(size_t offset) {
    while (next_ < flips_.size() && flips_[next_] <= offset) ++next_;
    return next_ % 2 == 1;
  }

 private:
  const std::vector<size_t>& flips_;
  size_t next_ = 0;
};

}  // namespace quarry::jinja
