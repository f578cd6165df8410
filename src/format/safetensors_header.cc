#include "format/safetensors_header.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quoted.h"
#include "format/json.h"

namespace quarry {
namespace {

using nlohmann::json;

constexpr size_t kMaxRank = 16;
constexpr std::string_view kMetadataKey = "__metadata__";

// Follows the parser's events; every handler returns false to stop with error() set.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(std::string_view text, std::string_view name, size_t max_tensors)
      : text_(text), name_(name), max_tensors_(max_tensors) {}

  const Status& error() const { return error_; }
  SafetensorsHeader Take() { return std::move(header_); }

  bool start_object(size_t) override {
    switch (state_) {
      case State::kBegin:
        state_ = State::kHeader;
        return true;
      case State::kEntry:
        return OpenEntry();
      default:
        return Unexpected("an object");
    }
  }

  bool key(string_t& v) override {
    if (state_ == State::kHeader) {
      key_ = std::move(v);
      state_ = State::kEntry;
      return true;
    }
    if (state_ == State::kMetadata) {
      metadata_key_ = std::move(v);
      if (!header_.metadata.contains(metadata_key_)) return true;
      return Fail(fmt::format("key {} appears twice in {}", Quoted(metadata_key_), kMetadataKey));
    }
    return OpenField(v);
  }

  bool string(string_t& v) override {
    if (state_ == State::kMetadata) {
      header_.metadata.emplace(std::move(metadata_key_), std::move(v));
      return true;
    }
    if (state_ != State::kDtype) return Unexpected("a string");
    header_.tensors.back().dtype = std::move(v);
    state_ = State::kTensor;
    return true;
  }

  bool start_array(size_t) override {
    if (state_ == State::kShape || state_ == State::kOffsets) {
      if (in_list_) return Unexpected("a list");
      in_list_ = true;
      return true;
    }
    return Unexpected("a list");
  }

  bool number_unsigned(number_unsigned_t v) override {
    if (!in_list_) return Unexpected("a number");
    if (state_ == State::kShape) {
      std::vector<int64_t>& shape = header_.tensors.back().shape;
      if (v > static_cast<uint64_t>(INT64_MAX)) return Unexpected(fmt::to_string(v));
      if (shape.size() == kMaxRank) {
        return FailTensor(fmt::format("shape has more than {} dimensions", kMaxRank));
      }
      shape.push_back(static_cast<int64_t>(v));
      return true;
    }
    if (n_offsets_ == 2) return FailTensor("data_offsets has more than 2 entries");
    TensorInfo& t = header_.tensors.back();
    (n_offsets_ == 0 ? t.begin : t.end) = v;
    ++n_offsets_;
    return true;
  }

  bool end_array() override {
    in_list_ = false;
    if (state_ == State::kOffsets && n_offsets_ != 2) {
      return FailTensor(fmt::format("data_offsets has {} entries, must have 2", n_offsets_));
    }
    state_ = State::kTensor;
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      if (!seen_.dtype) return FailTensor("dtype is missing");
      if (!seen_.shape) return FailTensor("shape is missing");
      if (!seen_.offsets) return FailTensor("data_offsets is missing");
    }
    state_ = state_ == State::kHeader ? State::kEnd : State::kHeader;
    return true;
  }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool v) override { return Unexpected(v ? "true" : "false"); }
  bool number_integer(number_integer_t v) override { return Unexpected(fmt::to_string(v)); }
  bool number_float(number_float_t, const string_t& v) override {
    return Unexpected(OneLine(v, 40));
  }
  bool binary(binary_t&) override { return false; }  // no such thing in JSON text

  bool parse_error(size_t position, const std::string&, const json::exception& e) override {
    error_ = JsonSyntaxError(text_, position, fmt::format("{}: header", name_), e.what());
    return false;
  }

 private:
  enum class State {
    kBegin,     // before the header's object
    kHeader,    // in it, before a key or its end
    kEntry,     // after the key: an object must follow
    kMetadata,  // in "__metadata__"
    kTensor,    // in a tensor's entry, before a key or its end
    kDtype,     // at the value of "dtype"
    kShape,     // at or in the value of "shape"
    kOffsets,   // at or in the value of "data_offsets"
    kEnd,
  };

  bool OpenEntry() {
    if (key_ == kMetadataKey) {
      if (seen_metadata_) return Fail(fmt::format("{} appears twice", kMetadataKey));
      seen_metadata_ = true;
      state_ = State::kMetadata;
      return true;
    }
    if (header_.tensors.size() == max_tensors_) {
      return Fail(fmt::format("more than {} tensors", max_tensors_));
    }
    header_.tensors.emplace_back();
    header_.tensors.back().name = std::move(key_);
    seen_ = {};
    n_offsets_ = 0;
    state_ = State::kTensor;
    return true;
  }

  bool OpenField(const string_t& field) {
    bool* seen = nullptr;
    if (field == "dtype") {
      seen = &seen_.dtype;
      state_ = State::kDtype;
    } else if (field == "shape") {
      seen = &seen_.shape;
      state_ = State::kShape;
    } else if (field == "data_offsets") {
      seen = &seen_.offsets;
      state_ = State::kOffsets;
    } else {
      return FailTensor(fmt::format("unknown key {}", Quoted(field)));
    }
    if (*seen) return FailTensor(fmt::format("{} appears twice", field));
    *seen = true;
    return true;
  }

  bool Fail(std::string reason) {
    error_ = CorruptData(fmt::format("{}: header: {}", name_, reason));
    return false;
  }
  bool FailTensor(std::string reason) {
    error_ = CorruptData(
        fmt::format("{}: tensor {}: {}", name_, Quoted(header_.tensors.back().name), reason));
    return false;
  }
  bool Unexpected(std::string_view found) {
    switch (state_) {
      case State::kBegin:
        return Fail(fmt::format("is {}, must be an object", found));
      case State::kEntry:
        return Fail(fmt::format("{} is {}, must be an object", Quoted(key_), found));
      case State::kMetadata:
        return Fail(fmt::format("{}: {} is {}, must be a string", kMetadataKey,
                                Quoted(metadata_key_), found));
      case State::kDtype:
        return FailTensor(fmt::format("dtype is {}, must be a string", found));
      case State::kShape:
      case State::kOffsets: {
        const std::string_view field = state_ == State::kShape ? "shape" : "data_offsets";
        return FailTensor(in_list_ ? fmt::format("{} contains {}, must be integers from 0 to {}",
                                                 field, found, INT64_MAX)
                                   : fmt::format("{} is {}, must be a list", field, found));
      }
      case State::kHeader:
      case State::kTensor:
      case State::kEnd:
        break;  // the parser delivers no value here
    }
    error_ = Internal(fmt::format("{}: header: {} out of place", name_, found));
    return false;
  }

  std::string_view text_;
  std::string_view name_;
  size_t max_tensors_;
  State state_ = State::kBegin;
  SafetensorsHeader header_;
  std::string key_;
  std::string metadata_key_;
  struct {
    bool dtype = false, shape = false, offsets = false;
  } seen_;
  bool seen_metadata_ = false;
  bool in_list_ = false;
  int n_offsets_ = 0;
  Status error_;
};

}  // namespace

Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text, std::string_view name,
                                                 size_t max_tensors) {
  if (!text.starts_with('{')) {
    return CorruptData(
        fmt::format("{}: header: starts with {}, must start with \"{{\"; is this a safetensors "
                    "file?",
                    name, Quoted(text.substr(0, 1))));
  }
  HeaderReader reader(text, name, max_tensors);
  if (!json::sax_parse(text.begin(), text.end(), &reader)) return reader.error();
  return reader.Take();
}

}  // namespace quarry
