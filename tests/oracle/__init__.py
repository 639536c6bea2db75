"""The oracle: samples that carry their whole history, and plans written down so that they can be built twice.

Every source row is given a mark of its own, "@source:row", and the functions here hand marks on
wherever they make one sample of others. So a delivered sample says itself where it came from, and
`trace` and `impact` must say the same. The slow reading of a plan (`by_hand`) uses lists and nothing else.

Plans are values (`plans`); what is done to samples is in `operations`, an entry for each with its
method, its reading by hand and what it may do to a sample; a pipeline is run in `readings`; what is
recorded of it is compared with what its samples carry in `carried`; the laws that all pipelines obey are
in `laws`.
"""
