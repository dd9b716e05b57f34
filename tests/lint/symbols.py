#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the undefined symbols of the pure libraries against the allow-list of design.md section 2.

    symbols.py ROOM=ARCHIVE...          for example wire_base=lib/libwire_base.a dht=lib/libdht.a

A symbol is fine if the same archive defines it, if an archive of a room that this room may see defines it, or if a
pattern below allows it. Everything else is a socket, a clock, entropy, a thread, a file or a log until somebody has
looked and written it down here. Prints `room(object): symbol` per violation and leaves with 1 if there was any.

It is `nm -u -C` in effect, but reads with readelf: nm loads GCC's LTO plugin and then shows the symbols of the
intermediate code instead of those of the machine code.
"""

import re
import subprocess
import sys

# Room -> rooms whose symbols it may use.
MAY_SEE = {
    "wire_base": (),
    "wire_peer": ("wire_base",),
    "wire_utp": ("wire_base",),
    "dht": ("wire_base",),
    "storage_plan": ("wire_base",),
    "magnet": ("wire_base", "wire_peer", "storage_plan"),
}

# C names, matched whole.
C_ALLOWED = [
    # memory, strings, and what _FORTIFY_SOURCE makes of them
    r"mem(cpy|move|set|cmp|chr|rchr|mem|ccpy)|__mem(cpy|move|set|pcpy)_chk|bcmp|rawmemchr",
    r"str(len|nlen|cmp|ncmp|chr|rchr|str|spn|cspn|pbrk|casecmp|ncasecmp)|malloc|calloc|realloc|free",
    # compiler and C++ runtime
    r"__stack_chk_fail|__chk_fail|abort|__assert_fail|_Unwind_Resume|__dso_handle|_GLOBAL_OFFSET_TABLE_|__gxx_personality_v0",
    r"__cxa_(allocate_exception|free_exception|throw|rethrow|begin_catch|end_catch|get_exception_ptr|bad_cast|bad_typeid"
    r"|call_unexpected|call_terminate|pure_virtual|deleted_virtual|throw_bad_array_new_length|atexit"
    r"|guard_acquire|guard_release|guard_abort)",
    r"__dynamic_cast|__udivti3|__umodti3|__divti3|__modti3|__popcountdi2|__cpu_model|__cpu_indicator_init",
    # tells shared_ptr whether it may count without atomics; a flag, not a thread
    r"__libc_single_threaded",
    # arithmetic
    r"(log|log2|log10|log1p|exp|exp2|expm1|pow|sqrt|cbrt|floor|ceil|round|lround|llround|lrint|llrint|trunc|fmod|ldexp"
    r"|frexp|hypot|sin|cos|tan|fmin|fmax|erf|erfc|tgamma|lgamma)[fl]?",
    # OpenSSL: digests and big numbers
    r"EVP_MD\w*|EVP_Digest\w*|EVP_sha1|EVP_sha256|BN_(?!\w*rand|generate_prime|is_prime|check_prime|X931)\w+",
    # libsodium
    r"crypto_sign\w*|crypto_shorthash\w*|crypto_stream\w*|sodium_mem\w*",
]
# Allowed by a family above, but they draw entropy.
C_FORBIDDEN = [r"crypto_sign(_ed25519)?_keypair", r"crypto_\w+_keygen"]

C_ALLOWED_IN = {"magnet": [r"utf8proc_\w+"]}

# C++ names as c++filt writes them, matched at the beginning. libstdc++ without clocks, random_device, threads, streams,
# locales and files.
CXX_ALLOWED = [
    r"operator (new|delete)(\[\])?\(",
    r"std::__throw_\w+\(",
    r"std::terminate\(\)|std::get_new_handler|std::nothrow$|std::uncaught_exceptions?\(\)",
    r"(vtable|typeinfo|typeinfo name|VTT) for (std::(\w*exception\w*|\w*error\w*|bad_\w+|nested_exception|error_category"
    r"|type_info|_Sp_counted_base\b.*|pmr::\w+|_V2::error_category|__future_base)|__cxxabiv1::\w+)",
    r"(vtable|typeinfo|typeinfo name) for (int|unsigned int|char|bool|long|unsigned long|char const\*)$",
    r"std::(exception|bad_\w+|logic_error|runtime_error|length_error|out_of_range|invalid_argument|domain_error|range_error"
    r"|overflow_error|underflow_error|system_error|nested_exception|__exception_ptr::exception_ptr|exception_ptr)::",
    r"std::(rethrow_exception|current_exception)\(",
    r"std::(__cxx11::)?basic_string(_view)?<char",
    r"std::(__cxx11::)?to_string\(|std::to_chars\(|std::from_chars\(|std::__detail::__(to|from)_chars\w*",
    r"std::_Hash_bytes\(|std::_Fnv_hash_bytes\(|std::__detail::_Prime_rehash_policy::|std::__detail::__prime_list",
    r"std::_Rb_tree_\w+\(|std::__detail::_List_node_base::|std::__detail::_List_node_header::",
    r"std::(_V2::)?(system_category|generic_category)\(\)|std::(_V2::)?error_(category|code|condition)::",
    r"std::pmr::|std::type_info::|std::_Sp_make_shared_tag::|std::__glibcxx_assert_fail|std::__replacement_assert",
]


class Symbol:
    def __init__(self, archive_member, mangled):
        self.member = archive_member
        self.mangled = mangled
        self.name = mangled


def read_archive(path):
    """(defined names, undefined symbols) of an archive."""
    output = subprocess.run(["readelf", "--wide", "--symbols", path], capture_output=True, text=True, check=True).stdout
    defined, undefined = set(), []
    member = path
    for line in output.splitlines():
        if line.startswith("File: "):
            found = re.search(r"\(([^)]*)\)$", line)
            member = found.group(1) if found else line[6:]
            continue
        #    Num:    Value          Size Type    Bind   Vis      Ndx Name
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit() or fields[4] not in ("GLOBAL", "WEAK", "UNIQUE"):
            continue
        name = fields[7].split("@", 1)[0]
        if fields[6] == "UND":
            undefined.append(Symbol(member, name))
        elif not name.startswith("__gnu_lto_"):
            defined.add(name)
    return defined, undefined


def demangle(symbols):
    names = "\n".join(symbol.mangled for symbol in symbols)
    output = subprocess.run(["c++filt"], input=names, capture_output=True, text=True, check=True).stdout.split("\n")
    for symbol, name in zip(symbols, output):
        symbol.name = name


def allowed(room, symbol):
    if symbol.mangled == symbol.name:
        patterns = C_ALLOWED + C_ALLOWED_IN.get(room, [])
        if any(re.fullmatch(pattern, symbol.name) for pattern in C_FORBIDDEN):
            return False
        return any(re.fullmatch(pattern, symbol.name) for pattern in patterns)
    return any(re.match(pattern, symbol.name) for pattern in CXX_ALLOWED)


def check(archives):
    """Violations of {room: path}, as lines."""
    contents = {room: read_archive(path) for room, path in archives.items()}
    problems, count = [], 0
    for room, (defined, undefined) in contents.items():
        known = set(defined)
        for other in MAY_SEE[room]:
            if other in contents:
                known |= contents[other][0]
        left = [symbol for symbol in undefined if symbol.mangled not in known]
        count += len(undefined)
        demangle(left)
        for symbol in left:
            if not allowed(room, symbol):
                problems.append(f"{room}({symbol.member}): {symbol.name}")
    return problems, count


def main():
    archives = {}
    for argument in sys.argv[1:]:
        room, _, path = argument.partition("=")
        if room not in MAY_SEE or not path:
            print(f"symbols.py: no pure room in `{argument}`", file=sys.stderr)
            return 2
        archives[room] = path
    if not archives:
        print("symbols.py: no pure library has a source yet", file=sys.stderr)
        return 1
    problems, count = check(archives)
    for problem in problems:
        print(problem)
    print(f"{len(archives)} libraries, {count} undefined symbols, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
