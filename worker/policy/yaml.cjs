// Stands for the package `yaml` in the bundle: OPA's library evaluates its parser when the gateway starts, which takes a
// sixth of the start, and few policies ever parse YAML. This evaluates it when one does.
'use strict';
exports.parse = (text) => require('#yaml').parse(text);
exports.stringify = (value) => require('#yaml').stringify(value);
