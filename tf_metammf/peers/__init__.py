"""Peers of MetaMMF, each written from the equations of its paper: encoders for the same towers, objectives and tasks.

===================  ===========================================================================================
``vbpr``             a linear map of the features beside the ID embedding (He & McAuley, AAAI 2016)
``mmgcn``            a graph of interactions for each modality (Wei et al., MM 2019)
``lattice``          graphs of similar items, learned (Zhang et al., MM 2021)
``freedom``          graphs of similar items, frozen, and interactions pruned (Zhou & Shen, MM 2023)
``bm3``              self-supervised, without negatives (Zhou et al., WWW 2023)
``invrl``            features masked so that preferences agree across environments (Du et al., MM 2022)
``popularity``       how often an item occurs in training
``item_knn``         items most like those of the user, by interactions or by content
===================  ===========================================================================================

MF (BPR) and LightGCN are the encoders ``mf`` and ``lightgcn`` without a fusion. A fusion, dynamic or static, can be put
into each of them that is trained: its vectors are what the encoder begins with, alone or joined with ID embeddings.
"""
