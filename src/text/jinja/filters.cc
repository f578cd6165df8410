#include "text/jinja/filters.h"

#include <algorithm>
#include <iterator>

#include "text/jinja/filter_functions.h"

namespace quarry::jinja {
namespace {

struct NamedFilter {
  std::string_view name;
  FilterFunction function;
};

constexpr NamedFilter kFilters[] = {
    {"abs", filters::Abs},
    {"attr", filters::Attr},
    {"batch", filters::Batch},
    {"capitalize", filters::Capitalize},
    {"center", filters::Center},
    {"count", filters::Length},
    {"d", filters::Default},
    {"default", filters::Default},
    {"dictsort", filters::DictSort},
    {"e", filters::EscapeHtml},
    {"escape", filters::EscapeHtml},
    {"filesizeformat", filters::FileSizeFormat},
    {"first", filters::First},
    {"float", filters::Float},
    {"forceescape", filters::ForceEscape},
    {"format", filters::Format},
    {"groupby", filters::GroupBy},
    {"indent", filters::Indent},
    {"int", filters::Int},
    {"items", filters::Items},
    {"join", filters::Join},
    {"last", filters::Last},
    {"length", filters::Length},
    {"list", filters::ListOf},
    {"lower", filters::Lower},
    {"map", filters::Map},
    {"max", filters::Max},
    {"min", filters::Min},
    {"reject", filters::Reject},
    {"rejectattr", filters::RejectAttr},
    {"replace", filters::Replace},
    {"reverse", filters::Reverse},
    {"round", filters::Round},
    {"safe", filters::Safe},
    {"select", filters::Select},
    {"selectattr", filters::SelectAttr},
    {"slice", filters::SliceColumns},
    {"sort", filters::Sort},
    {"string", filters::String},
    {"sum", filters::Sum},
    {"title", filters::Title},
    {"tojson", filters::ToJson},
    {"trim", filters::Trim},
    {"truncate", filters::Truncate},
    {"unique", filters::Unique},
    {"upper", filters::Upper},
    {"urlencode", filters::UrlEncode},
    {"wordcount", filters::WordCount},
    {"xmlattr", filters::XmlAttr},
};

constexpr std::string_view kUnsupported[] = {"pprint", "random", "striptags", "urlize", "wordwrap"};

}  // namespace

FilterFunction FindFilter(std::string_view name) {
  const auto* it =
      std::lower_bound(std::begin(kFilters), std::end(kFilters), name,
                       [](const NamedFilter& f, std::string_view n) { return f.name < n; });
  return it != std::end(kFilters) && it->name == name ? it->function : nullptr;
}

bool IsUnsupportedFilter(std::string_view name) {
  return std::find(std::begin(kUnsupported), std::end(kUnsupported), name) !=
         std::end(kUnsupported);
}

}  // namespace quarry::jinja
